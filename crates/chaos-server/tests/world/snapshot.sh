# Prints all of this host that a fault must leave as it was. Left out is what changes by itself: counters, process ids,
# times, SSH sessions, caches.
export LC_ALL=C
have() { command -v "$1" > /dev/null 2>&1; }

roots=
for root in /etc /srv /root /home /users /data /ext /readonly /tmp /dev/shm /var/tmp /var/lib /var/spool /usr/local \
    /usr/lib/systemd /run; do
    [ -d "$root" ] && roots="$roots $root"
done

# Everything below the roots but what lives by itself. Other file systems below a root are roots of their own.
walk() {
    find $roots -xdev \( \
        -path /run/systemd -o -path /run/user -o -path /run/log -o -path /run/host -o -path /run/credentials \
        -o -path /run/lock -o -path /run/sudo -o -path /run/dbus -o -path '/run/*.pid' -o -path /run/utmp -o -path '/run/motd.dynamic*' \
        -o -path /var/lib/containers -o -path /var/lib/docker -o -path /var/lib/containerd -o -path /var/lib/cni \
        -o -path /var/lib/nerdctl \
        -o -path /run/containers -o -path /run/libpod -o -path /run/crun -o -path /run/docker -o -path /run/containerd \
        -o -path /var/lib/sudo/lectured -o -path /var/lib/systemd/random-seed -o -path /var/lib/private \
        -o -path '/tmp/systemd-private-*' -o -path '/var/tmp/systemd-private-*' \
        -o -path '/tmp/crun.*' \) -prune -o "$@"
    for root in /run/systemd/system /run/systemd/transient /run/systemd/system.control; do
        [ -d "$root" ] && find "$root" -mindepth 1 \( -name 'session-*' -o -name 'user-*' \) -prune -o "$@"
    done
}

echo '=== files'
walk -exec stat -c '%A %u:%g %h %t:%T %N' {} +
echo '=== contents'
walk -type f -exec sha256sum {} +
if have getfattr; then
    echo '=== extended attributes'
    getfattr -R -P -h -d -m - -e hex --absolute-names $roots 2> /dev/null |
        awk '/^# file: / { file = substr($0, 9); next } NF { print file, $0 }'
fi
if have lsattr; then
    echo '=== flags'
    # The letter e says how a file is stored; it comes and goes with its size.
    for root in /etc /srv /root /home /ext /var/lib /data; do lsattr -aR "$root" 2> /dev/null; done |
        awk '/^[^ ]*[aiAdDSu]/ && $1 !~ /:$/ { gsub("[-eI]", "", $1); if ($1 ~ /^[A-Za-z]+$/) print }'
fi

echo '=== space'
for root in /data /ext; do
    # An unlinked file that somebody keeps open is seen here only. Folders of ext4 never shrink, so by the MiB.
    df -Pk "$root" | awk 'NR == 2 { printf "%s %d MiB used\n", $6, $3 / 1024 }'
    df -Pi "$root" 2> /dev/null | awk 'NR == 2 { print $6, $3, "inodes used" }'
done

echo '=== mounts'
awk '$2 !~ "^/(run/(user|credentials|docker/netns)/|tmp/crun[.])" { print $1, $2, $3, $4 }' /proc/1/mounts

echo '=== processes'
own=$$
# of_others: leaves out, of lines PID PARENT STATE USER ARGUMENTS…, the shells that wait for the next script of an SSH connection, with
# what started them there. What such a shell runs is not left out, nor one whose connection is gone or that was stopped. T is a stopped
# process; everything else is a matter of the moment.
of_others() {
    awk '
        { pid = $1; parent[pid] = $2; has_child[$2] = 1; state = substr($3, 1, 1); if (state != "T") state = "-"
          $1 = ""; $2 = ""; $3 = state; line[pid] = substr($0, 3); pids[++count] = pid
          $3 = ""; $4 = ""; sub(/^ +/, ""); args[pid] = $0 }
        END {
            for (pid in args) {
                if (args[pid] != "/bin/sh -s" || has_child[pid] || line[pid] ~ /^T/) continue
                for (up = parent[pid]; args[up] ~ /^sudo -/; up = parent[up]);
                if (args[up] !~ /^sshd: /) continue
                for (up = pid; args[up] !~ /^sshd: /; up = parent[up]) ours[up] = 1
            }
            for (i = 1; i <= count; i++) if (!ours[pids[i]]) print line[pids[i]]
        }'
}
processes() {
    if have systemctl; then
        ps -eo sid,pid,ppid,stat,user:32,args --no-headers |
            awk -v own="$own" '
                # A machine of its own has threads of the kernel, which come, go and are renamed.
                $2 == 2 && $6 == "[kthreadd]" { is_machine = 1 }
                is_machine && ($2 == 2 || $3 == 2) { next }
                $1 != own { $1 = ""; print }' | of_others | sed 's/ --system --deserialize=[0-9]*$//' |
            grep -Ev '/lib/systemd/systemd --user$|\(sd-pam\)$|systemd-tmpfiles --clean$'
    else
        # What watches a deadline sleeps out its last second when it is ended.
        ps -o pid,ppid,stat,user,args | sed 1d | of_others |
            grep -Ev ' (sh -s|sleep 1|\[exe\]|ps -o .*|awk .*|grep .*|sed .*|\{.*)$'
    fi | sed 's/ [0-9]* of \([0-9-]* startups\)/ \1/' |
        grep -Ev 'sshd: [a-z]+( \[[a-z]+\]|@[a-z0-9/]+)?$|^- sshd +sshd: .*\[net\]$|sshd: \[(accepted|rexeced)\]$'
}
# is_settled: not while a process has been forked and not become what it will be, or is about to end; a server has not said what
# it is, or has not all its workers, or has just forked; the shell of a login has answered and not ended; what begins with the
# first login of a user, and ends some time after the last, is at work. On a busy machine that takes a while.
is_settled() {
    printf '%s\n' "$list" | awk -v workers="$(have getconf && getconf _NPROCESSORS_ONLN)" '
        $3 ~ /^(\(.*\)|\[.*\])$/ || $3 ~ /^\/usr\/sbin\/(sshd|nginx)$/ || /\/bin\/sh -s$/ { early = 1 }
        /\/systemd-user-runtime-dir |\/user-(environment-)?generators\// { early = 1 }
        # What takes a login is called like what waits for them, at first.
        /\[listener\]/ && listener[$0]++ { early = 1 }
        / nginx: master / { nginx++ } / nginx: worker / { nginx_workers++ }
        / \/bin\/sh -c sleep infinity & / { app++ } / sleep infinity$/ { app_workers++ }
        END { exit early || nginx > 1 || (nginx && nginx_workers != workers) || app > 1 || (app && app_workers < 2) }'
}
tries=50
while list=$(processes); ! is_settled; do
    tries=$((tries - 1)); [ "$tries" -gt 0 ] || break
    sleep 0.1
done
printf '%s\n' "$list"

if have systemctl; then
    # Units of logins come and go with them, as do names of units that are not there. What engines mount is among the mounts; its
    # units come later and stay longer.
    login='^(session-|user-|user@|run-user-|run-credentials|run-docker-netns-|tmp-crun[.]|var-lib-(containers|docker)-.*[.]mount)'
    echo '=== units'
    # The host cleans up by itself a quarter of an hour after its boot.
    systemctl list-units --all --full --plain --no-legend | awk '$2 != "not-found" { print $1, $2, $3, $4 }' |
        grep -Ev "$login|^systemd-tmpfiles-clean[.]"
    # All that makes these is among the files; a virtual machine takes longer for them than for all else together.
    echo '=== unit files'
    [ -b /dev/ubda ] || systemctl list-unit-files --full --no-legend | awk '{ print $1, $2 }' | grep -Ev "$login"
    echo '=== unit properties'
    systemctl show '*.service' '*.socket' '*.timer' -p Id,UnitFileState,DropInPaths,NeedDaemonReload,Transient |
        awk 'BEGIN { RS = "" } { gsub("\n", " "); print }' | grep -Ev "Id=(session-|user-|user@)"
fi

echo '=== links'
ip -o link | sed 's/^[0-9]*: //; s/@if[0-9]*//; s/ link-netnsid [0-9]*//; s/,M-DOWN//'
ip -o addr | sed 's/^[0-9]*: //; s/valid_lft.*//'
ip route show table all 2> /dev/null | grep -v '^fe80\|^ff00\|^multicast'
ip rule 2> /dev/null
have tc && { tc qdisc show; for link in eth0 lo; do tc class show dev $link; tc filter show dev $link; done; }
if have nft; then
    echo '=== firewall'
    nft -s list ruleset
    for program in iptables-save ip6tables-save; do
        $program 2> /dev/null | sed '/^#/d; s/\[[0-9]*:[0-9]*\]//'
    done
fi

echo '=== kernel settings'
for name in net/ipv4/ip_forward net/ipv4/icmp_echo_ignore_all net/ipv4/tcp_syn_retries net/ipv4/ip_local_port_range \
    net/ipv6/conf/all/disable_ipv6 kernel/pid_max kernel/threads-max vm/swappiness vm/overcommit_memory vm/panic_on_oom; do
    [ -r "/proc/sys/$name" ] && echo "$name $(cat "/proc/sys/$name")"
done
echo '=== end'
