//! Dies at every effect, every record and every crash point of a life, and undoes each time what is left.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chaos_core::DynTarget;

use super::{Begun, Subject};
use crate::journal::{CrashingJournal, Moment};
use crate::world::World;

/// How often one crash point is died at. A point in a loop over batches is the same place every time.
const PASSES_MAX: u32 = 3;

/// The longest that one life and its undo may take. Real servers take milliseconds.
const LIFE_MAX: Duration = Duration::from_secs(60);

/// One way to die.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Death {
    /// After this many effects on the world.
    Effect(u64),
    /// At this record of the journal.
    Record(u64, Moment),
    /// At this passing of a named point.
    Point(String, u32),
}

impl Death {
    /// Returns the name of its crash point, where it is at one.
    fn point(&self) -> Option<&str> {
        match self {
            Self::Point(name, _) => Some(name),
            Self::Effect(_) | Self::Record(..) => None,
        }
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Effect(effects) => write!(f, "after {effects} effects"),
            Self::Record(record, Moment::Before) => write!(f, "before record {record}"),
            Self::Record(record, Moment::Torn) => write!(f, "in the middle of record {record}"),
            Self::Record(record, Moment::After) => write!(f, "after record {record}"),
            Self::Point(name, pass) => write!(f, "at `{name}`, pass {pass}"),
        }
    }
}

/// Proves that a death after every single effect, at every record and at every crash point is undone by somebody who has
/// nothing but the journal.
pub async fn a_crash_anywhere_is_undone<W: World>(subject: Subject<W>) {
    let Some(_turn) = subject.turn().await else { return };
    let deaths = rehearse(&subject).await;
    let named: BTreeSet<&str> = deaths.iter().filter_map(Death::point).collect();
    assert!(named.len() >= subject.points_min, "only {} crash points are passed: {named:?}", named.len());
    let inside = deaths.iter().filter(|death| !matches!(death, Death::Record(..))).count();
    assert!(inside > 0, "there is no effect and no crash point to die at; is the feature `crash-points` on?");
    for death in deaths {
        let lived = tokio::time::timeout(LIFE_MAX, die_and_recover(&subject, &death)).await;
        assert!(lived.is_ok(), "the undo of a death {death} did not end within {LIFE_MAX:?}");
    }
}

/// Lives once without dying, and returns every way to die on the way.
async fn rehearse<W: World>(subject: &Subject<W>) -> Vec<Death> {
    let begun = subject.begin().await;
    let journal = Arc::new(CrashingJournal::default());
    let effects_before = begun.world.fuse().map(crate::Fuse::count);
    points::start();
    begun.life.clone().whole(journal.clone()).await;
    let passed = points::take();
    let effects_after = begun.world.fuse().map(crate::Fuse::count);
    begun.assert_unchanged("after a whole life").await;
    begun.end().await;

    let effects = effects_before.zip(effects_after).map(|(before, after)| after - before);
    // After zero effects means: at the first read.
    let effects = effects.filter(|effects| *effects > 0).into_iter().flat_map(|effects| 0..=effects);
    // A torn record is read as none. Real worlds, whose lives take their time, are spared the repetition.
    let moments: &[Moment] = match effects_before {
        Some(_) => &[Moment::Before, Moment::Torn, Moment::After],
        None => &[Moment::Before, Moment::After],
    };
    let records = (1..=journal.records())
        .flat_map(|record| moments.iter().map(move |moment| Death::Record(record, *moment)));
    effects.map(Death::Effect).chain(records).chain(passes(passed)).collect()
}

fn passes(passed: Vec<String>) -> Vec<Death> {
    let mut counts: HashMap<String, u32> = HashMap::new();
    let mut deaths = Vec::new();
    for name in passed {
        let count = counts.entry(name.clone()).or_default();
        *count += 1;
        if *count <= PASSES_MAX {
            deaths.push(Death::Point(name, *count));
        }
    }
    deaths
}

async fn die_and_recover<W: World>(subject: &Subject<W>, death: &Death) {
    let begun = subject.begin().await;
    let journal = die(&begun, death).await;
    let contents = journal.contents();
    // Twice: whoever recovers may die too, and nobody hears whether the first one came to an end.
    for time in ["once", "twice"] {
        let target: Arc<dyn DynTarget> = Arc::new(begun.world.connect().await);
        begun.life.recover(target, &contents).await;
        begun.assert_unchanged(&format!("after a death {death}, undone {time}")).await;
    }
    begun.end().await;
}

/// Lives until the death, and returns the journal that the dead one left.
async fn die<W: World>(begun: &Begun<W>, death: &Death) -> Arc<CrashingJournal> {
    let journal = match death {
        Death::Record(record, moment) => CrashingJournal::dying_at(*record, *moment),
        Death::Effect(_) | Death::Point(..) => CrashingJournal::default(),
    };
    let journal = Arc::new(journal);
    if let (Death::Effect(effects), Some(fuse)) = (death, begun.world.fuse()) {
        fuse.burn_after(*effects);
    }
    if let Death::Point(name, pass) = death {
        points::arm(name, *pass);
    }
    let mut life = tokio::spawn(begun.life.clone().whole(journal.clone()));
    let burnt = async {
        match begun.world.fuse() {
            Some(fuse) => fuse.burnt().await,
            None => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        ended = &mut life => Some(ended),
        () = burnt => None,
        () = journal.died() => None,
    };
    points::disarm();
    match ended {
        None => {
            life.abort();
            // What the dead held open is closed before anybody else looks. It was cancelled, which is no news.
            let _ = life.await;
        }
        // A killed task, unless the panic is the fault's own: then the undo has the same to do.
        Some(Err(_)) if matches!(death, Death::Point(..)) => {}
        Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
        // It dies after its last effect or record, when there is nothing left to wait for, or the point was in a thread
        // that outlived it.
        Some(Ok(())) => {}
    }
    if let Some(fuse) = begun.world.fuse() {
        fuse.mend();
    }
    journal
}

/// Crash points, where the build has them.
#[cfg(feature = "crash-points")]
pub(super) mod points {
    use chaos_core::crash;
    use tokio::sync::{Mutex, MutexGuard};

    /// Crash points are shared by the whole process: one test of the suite at a time.
    static ALONE: Mutex<()> = Mutex::const_new(());

    /// The right to use the points.
    pub(in crate::conformance) struct Turn(
        #[expect(dead_code, reason = "held, not read")] MutexGuard<'static, ()>,
    );

    pub(in crate::conformance) async fn alone() -> Turn {
        let guard = ALONE.lock().await;
        crash::install_killer(|| panic!("killed at a crash point"));
        Turn(guard)
    }

    pub(super) fn start() {
        crash::trace_start();
    }

    pub(super) fn take() -> Vec<String> {
        crash::trace_take()
    }

    pub(super) fn arm(name: &str, pass: u32) {
        crash::arm(Some((name.to_owned(), pass)));
    }

    pub(super) fn disarm() {
        crash::arm(None);
    }
}

/// Without the feature nobody passes any point.
#[cfg(not(feature = "crash-points"))]
pub(super) mod points {
    /// Nobody needs to wait for anybody.
    pub(in crate::conformance) struct Turn;

    pub(in crate::conformance) async fn alone() -> Turn {
        Turn
    }

    pub(super) fn start() {}

    pub(super) fn take() -> Vec<String> {
        Vec::new()
    }

    pub(super) fn arm(name: &str, _pass: u32) {
        unreachable!("point `{name}` was never passed")
    }

    pub(super) fn disarm() {}
}
