//! What looking at a server leaves here: nothing.

use super::Bed;
use crate::world::{Chaos, Experiment};

#[test]
fn a_new_host_is_written_down_by_a_run_and_by_nothing_that_only_looks() {
    let Some(bed) = Bed::take(&["any"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let known = folder.path().join("known_hosts");
    let text = format!(
        "experiments:\n- name: new\n  target: server\n  target_config:\n    hosts: [{{host: {}, username: root, \
         ssh_config: none, host_key: accept_new, known_hosts: {}, auth: {{type: key, private_key_path: {}}}}}]\n  \
         duration: 1s\n  skills:\n  - {{skill_name: server.service_stop, params: {{services: [nginx]}}}}\n",
        bed.address(),
        known.display(),
        bed.key().display(),
    );
    let (chaos, experiment) = (Chaos::new(), Experiment::from_text(&text));
    for arguments in [["discover", experiment.file()].as_slice(), &["run", "--dry-run", experiment.file()]] {
        let said = chaos.call(arguments);
        said.assert_code(0);
        assert!(said.text().contains("A host is new"), "{}", said.text());
        assert!(!known.exists(), "{arguments:?} has written `{}`", known.display());
    }
    chaos.run(&experiment).assert_code(0);
    let lines = std::fs::read_to_string(&known).unwrap();
    assert!(lines.starts_with(&format!("{} ", bed.address())) && lines.lines().count() == 1, "{lines}");
    chaos.assert_clean();
}
