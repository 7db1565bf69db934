# Ends what many.sh started.
systemctl stop 'bench-sshd-*'
rm -rf /run/bench
