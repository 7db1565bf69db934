//! The error codes, and what `chaos explain` says about each. All of them stand here and nowhere else.

/// An error code: `CH0201`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The command line makes no sense.
    Usage,
    /// A file is invalid.
    InvalidFile,
    /// The fault or target is unknown.
    Unknown,
    /// A file cannot be read or written.
    File,
    /// The target does not answer.
    Unreachable,
    /// The target refused.
    TargetRefused,
    /// The target is busy.
    Busy,
    /// It is another target.
    WrongTarget,
    /// It could not be undone.
    Preflight,
    /// The parameters make no sense.
    Params,
    /// Preparing ended early.
    NotPrepared,
    /// An earlier run has left something.
    Dirty,
    /// Policy refused.
    Refused,
    /// The state directory cannot be used.
    StateDir,
    /// The journal cannot be written or read.
    Journal,
    /// Another process has the run.
    Held,
    /// There is no such run.
    UnknownRun,
    /// The guardian cannot be started.
    Guardian,
    /// Somebody else changed things.
    Conflict,
    /// An undo failed.
    Stuck,
    /// The demo did not work.
    Demo,
    /// A defect of ours.
    Defect,
}

/// What there is to say about a code.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The code it is about.
    pub code: Code,
    /// As people write it.
    pub name: &'static str,
    /// What it means, in one line.
    pub title: &'static str,
    /// Why it happens and what to do.
    pub text: &'static str,
}

/// Every code, in order.
pub const ENTRIES: [Entry; 22] = [
    Entry {
        code: Code::Usage,
        name: "CH0101",
        title: "the command line makes no sense",
        text: "A flag, a value or a name was not understood. Nothing was touched.\n\
               `chaos help COMMAND` shows what the command takes, with examples.",
    },
    Entry {
        code: Code::InvalidFile,
        name: "CH0102",
        title: "a file is not valid",
        text: "Files of experiments and policies are read strictly: an unknown key, a wrong type, a misspelt parameter or a\n\
               reference that cannot be resolved is an error, so that nothing runs on a default that nobody asked for.\n\
               The caret shows the place. `chaos validate FILE` checks a file without connecting to anything, and\n\
               `chaos schema experiment` gives an editor what it needs to complete and check it.",
    },
    Entry {
        code: Code::Unknown,
        name: "CH0103",
        title: "no such fault or kind of target",
        text: "This version does not know the name. `chaos list-skills` lists every fault it has.\n\
               A journal that names an unknown fault was written by another version: recover with that one or a later one.",
    },
    Entry {
        code: Code::File,
        name: "CH0104",
        title: "a file cannot be read or written",
        text: "The operating system refused. The cause says why. A run that has ended keeps its journal whatever becomes of its\n\
               reports: `chaos report RUN` writes them again.",
    },
    Entry {
        code: Code::Unreachable,
        name: "CH0201",
        title: "the target cannot be reached",
        text: "Nobody answered, the port is closed, the name is unknown, or the connection broke. Nothing was touched when this\n\
               happens before a run. During a rollback it is tried again for minutes; then the step is stuck, and\n\
               `chaos recover` goes on once the target is back.",
    },
    Entry {
        code: Code::TargetRefused,
        name: "CH0202",
        title: "the target refused",
        text: "It answered, with an error: a wrong password, a missing right, a missing database, a server that is read-only.\n\
               The cause holds its own words. Trying again does not help until that has changed.",
    },
    Entry {
        code: Code::Busy,
        name: "CH0203",
        title: "the target is busy",
        text: "Somebody else holds a lock that the fault or its undo needs. Faults never queue in front of an application: they ask\n\
               without waiting, a few times, and then give up.",
    },
    Entry {
        code: Code::WrongTarget,
        name: "CH0204",
        title: "this is not the target that the step was made for",
        text: "Each step remembers who its target was: the identity of the server and the database, or of the file. What answers\n\
               now is another one: restored from a backup, failed over, or another file in the same place. Nothing on it was\n\
               touched. Make the address lead to the old one again, or, when that is gone for good, give the step up with\n\
               `chaos recover RUN --abandon`.",
    },
    Entry {
        code: Code::Preflight,
        name: "CH0301",
        title: "it could not be undone, so it was not done",
        text: "Before the first effect, rights, space, locks, triggers, replicas and foreign keys are checked. Something would stand in\n\
               the way of the undo. Nothing was touched. The cause names it.",
    },
    Entry {
        code: Code::Params,
        name: "CH0302",
        title: "the parameters make no sense for this fault on this target",
        text: "They are well-formed but cannot be meant: a table that is not there, a value that the setting does not take.\n\
               Nothing was touched. `chaos explain FAULT` documents every parameter, `chaos discover FILE` shows what is there.",
    },
    Entry {
        code: Code::NotPrepared,
        name: "CH0303",
        title: "preparing ended before there was a plan",
        text: "It took too long, or it was interrupted. Nothing was touched.",
    },
    Entry {
        code: Code::Dirty,
        name: "CH0304",
        title: "an earlier run has left something on this target",
        text: "A new run would mix its traces with the old ones, so it does not start. What can be undone was undone first; the rest is a\n\
               conflict or an undo that fails. `chaos status` shows it, `chaos recover RUN` goes on with it, and\n\
               `--over-dirty` starts all the same.",
    },
    Entry {
        code: Code::Refused,
        name: "CH0305",
        title: "refused by policy",
        text: "The plan is more than the policy allows, touches a protected name or something that looks like production, or two of its\n\
               faults would block each other. Nothing was touched. Each refusal names its rule and where to change it. The policy\n\
               is not part of the experiment on purpose: see `chaos schema policy`, and put yours at\n\
               ~/.config/chaos/policy.yaml, or name it with --policy or CHAOS_POLICY.",
    },
    Entry {
        code: Code::StateDir,
        name: "CH0401",
        title: "the state directory cannot be used",
        text: "Journals are kept there: no journal, no fault. It is --state-dir, else CHAOS_STATE_DIR, else `chaos` in the XDG state\n\
               directory (~/.local/state/chaos). `chaos doctor` checks it.",
    },
    Entry {
        code: Code::Journal,
        name: "CH0402",
        title: "a journal cannot be written or read",
        text: "Every step is made durable in the journal before it acts. Space for the records of the rollback is reserved before the first\n\
               effect; without it nothing is begun. A journal that was damaged later is still read around the damage.",
    },
    Entry {
        code: Code::Held,
        name: "CH0403",
        title: "another process has this run",
        text: "The run itself, its guardian or another recovery is alive and at work on it. Two undoing at once would be in each other's\n\
               way. Wait for its end; `chaos status` shows its process id.",
    },
    Entry {
        code: Code::UnknownRun,
        name: "CH0404",
        title: "there is no such run here",
        text: "No journal of this name is in the state directory. `chaos history` lists all. A run started by another user or with another\n\
               --state-dir has its journal there.",
    },
    Entry {
        code: Code::Guardian,
        name: "CH0405",
        title: "the guardian cannot be started",
        text: "The guardian is a second process of this program that undoes a run at once when the run is killed. It must be able to start\n\
               before the first effect. `--no-guardian` runs without it; then `chaos recover` is the only help after a kill.",
    },
    Entry {
        code: Code::Conflict,
        name: "CH0501",
        title: "somebody else changed what a fault had changed",
        text: "Everything else is restored; what others changed meanwhile was left as it is, because theirs may be the value that\n\
               counts. `chaos report RUN` lists it. Look at it, mend it by hand where needed, and then say\n\
               `chaos recover RUN --accept-conflicts`, which removes our helpers from the target. A file that somebody moved has taken what\n\
               the fault did with it: look for it by the inode in the report (`find MOUNT -xdev -inum INODE`). Once it is back, `chaos recover RUN` undoes the rest.",
    },
    Entry {
        code: Code::Stuck,
        name: "CH0502",
        title: "an undo failed",
        text: "It was tried several times, after a refused login only once. The journal still has everything needed. Remove the cause and run `chaos recover RUN`; it is\n\
               safe to run as often as you like. When the target is gone for good, `--abandon` closes the run without touching it.",
    },
    Entry {
        code: Code::Demo,
        name: "CH0601",
        title: "the demo did not work",
        text: "Something on this machine kept the demo from its end. Its scratch directory was removed. `chaos doctor` may say more.",
    },
    Entry {
        code: Code::Defect,
        name: "CH0901",
        title: "a defect of chaos",
        text: "This should not happen, whatever you do. Please report it, with the output of the same command and `-vv`.",
    },
];

impl Code {
    /// Returns what there is to say about it.
    pub fn entry(self) -> &'static Entry {
        match ENTRIES.iter().find(|entry| entry.code == self) {
            Some(entry) => entry,
            None => unreachable!("every code has an entry, see the test"),
        }
    }

    /// Returns the code as people write it.
    pub fn name(self) -> &'static str {
        self.entry().name
    }
}

/// Returns the entry of a code as people write it, in any case.
pub fn find(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_entry_and_they_stand_in_order() {
        for (place, entry) in ENTRIES.iter().enumerate() {
            assert_eq!(entry.code as usize, place, "{}", entry.name);
            assert_eq!(find(&entry.name.to_lowercase()).unwrap().code, entry.code);
        }
        assert!(ENTRIES.is_sorted_by(|left, right| left.name < right.name));
        assert_eq!(Code::Defect as usize + 1, ENTRIES.len());
    }
}
