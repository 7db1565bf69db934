# Lets one test host play many machines: an SSH server for each address, with a machine id of its own, so that nothing takes
# two of them for one machine. Everything else they share. It all ends with the units, or with a reboot.
# Arguments: the network (10.77.2) and how many. `/run/bench/python` holds what the host's Python lacks.
network=$1; count=$2
if [ -d /run/bench/python ]; then
    # Ansible needs a whole Python; without compiled files each of its modules would compile the library anew.
    PYTHONPATH=/run/bench/python python3 -m compileall -q /run/bench/python || exit 1
    python=" /run/bench/python:/usr/lib/python3.11"
fi
mkdir -p /run/bench
number=1
while [ "$number" -le "$count" ]; do
    address=$network.$((100 + number))
    printf '%s\n' "$address" | md5sum | cut -c1-32 >"/run/bench/$address.id"
    systemd-run -q --collect --unit="bench-sshd-$address" -p Type=exec \
        -p "BindReadOnlyPaths=/run/bench/$address.id:/etc/machine-id${python:-}" \
        /usr/sbin/sshd -D -p 2223 -o "ListenAddress=$address" -o MaxStartups=1000 -o MaxSessions=100 -o PidFile=none \
        -E "/run/bench/$address.log" || exit 1
    number=$((number + 1))
done
