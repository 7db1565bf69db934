# What is known of how the host resolves names. In: the names
bounded() { if have timeout; then timeout "$@"; else shift; "$@"; fi; }
field hosts_file "$(readlink -f /etc/hosts)"
field sources "$(sed -n 's/#.*//; s/^[[:space:]]*hosts:[[:space:]]*//p' /etc/nsswitch.conf 2>/dev/null | head -n 1)"
for socket in /run/nscd/socket /var/run/nscd/socket; do [ ! -S "$socket" ] || field cache nscd; done
[ "$(readlink /proc/self/ns/mnt)" = "$(readlink /proc/1/ns/mnt)" ] || field elsewhere 1
for tool in getent mount umount; do have "$tool" || field missing "$tool"; done
have getent || exit 0
for name in "$@"; do
    if bounded 10 getent -s hosts:files ahosts "$name" >/dev/null 2>&1; then field in_file "$name"; fi
done
exit 0
