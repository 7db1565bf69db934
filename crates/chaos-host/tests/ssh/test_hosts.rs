//! On a real host with real accounts: `sudo`, passwords, and logins that do not lead to a shell.
