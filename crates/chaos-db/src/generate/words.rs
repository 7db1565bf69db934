//! Word lists of our own, where the library's are too odd for a shop, a ledger or a log.

/// Adjectives of goods.
pub(super) const ADJECTIVES: [&str; 24] = [
    "Classic", "Compact", "Cordless", "Deluxe", "Durable", "Elegant", "Foldable", "Handmade", "Heavy",
    "Light", "Modern", "Organic", "Padded", "Plain", "Portable", "Recycled", "Rustic", "Silent", "Slim",
    "Smart", "Soft", "Sturdy", "Vintage", "Wireless",
];

/// Materials of goods.
pub(super) const MATERIALS: [&str; 16] = [
    "Aluminium",
    "Bamboo",
    "Canvas",
    "Ceramic",
    "Copper",
    "Cork",
    "Cotton",
    "Glass",
    "Granite",
    "Leather",
    "Linen",
    "Oak",
    "Rubber",
    "Steel",
    "Walnut",
    "Wool",
];

/// Goods.
pub(super) const GOODS: [&str; 32] = [
    "Backpack",
    "Basket",
    "Bench",
    "Blanket",
    "Bottle",
    "Bowl",
    "Chair",
    "Clock",
    "Coat",
    "Cup",
    "Desk",
    "Drill",
    "Gloves",
    "Hammer",
    "Headphones",
    "Jacket",
    "Kettle",
    "Keyboard",
    "Knife",
    "Lamp",
    "Mirror",
    "Mouse",
    "Notebook",
    "Pan",
    "Pillow",
    "Scarf",
    "Shelf",
    "Shirt",
    "Shoes",
    "Table",
    "Towel",
    "Wallet",
];

/// Openings of short remarks.
pub(super) const REMARK_STARTS: [&str; 12] = [
    "Customer asked",
    "Delivery was late",
    "Arrived in good shape",
    "Please call back",
    "Second request",
    "Works as described",
    "Refund was agreed",
    "Address was corrected",
    "Paid in full",
    "Partly delivered",
    "Waiting for the supplier",
    "Checked by support",
];

/// Ends of short remarks.
pub(super) const REMARK_ENDS: [&str; 12] = [
    "after the weekend",
    "and was happy",
    "before noon",
    "for the second time",
    "in the new store",
    "on the phone",
    "since last month",
    "so we closed it",
    "until further notice",
    "with a new invoice",
    "with the next order",
    "without any damage",
];

/// States of an order, a task, an account.
pub(super) const STATES: [&str; 8] =
    ["active", "pending", "completed", "cancelled", "new", "processing", "shipped", "archived"];

/// Kinds and categories.
pub(super) const CATEGORIES: [&str; 10] =
    ["books", "clothing", "electronics", "food", "furniture", "garden", "music", "office", "sports", "toys"];

/// Roles of people.
pub(super) const ROLES: [&str; 6] = ["admin", "editor", "member", "owner", "support", "viewer"];

/// Colours.
pub(super) const COLOURS: [&str; 10] =
    ["black", "blue", "brown", "green", "grey", "orange", "purple", "red", "white", "yellow"];

/// Languages as sites write them.
pub(super) const LANGUAGES: [&str; 8] = ["de", "en", "es", "fr", "it", "nl", "pl", "pt"];

/// Short names of currencies.
pub(super) const CURRENCIES: [&str; 8] = ["AUD", "CAD", "CHF", "EUR", "GBP", "JPY", "SEK", "USD"];

/// Names of time zones.
pub(super) const TIME_ZONES: [&str; 6] =
    ["America/New_York", "Asia/Tokyo", "Australia/Sydney", "Europe/Berlin", "Europe/London", "UTC"];

/// Domains that are reserved, so that no mail can reach anybody.
pub(super) const DOMAINS: [&str; 3] = ["@example.com", "@example.net", "@example.org"];
