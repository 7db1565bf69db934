#!/bin/sh
# Makes the root of a host that has BusyBox and nothing else: an init, a shell, the SSH server with its libraries.
# Arguments: the Debian root to take from, the root to make, the host's name.
set -eu
from=$1 to=$2 name=$3
mkdir -p "$to/bin" "$to/sbin" "$to/usr/bin" "$to/usr/sbin" "$to/usr/lib/openssh" "$to/etc/ssh" "$to/proc" "$to/sys" \
    "$to/dev" "$to/run" "$to/var/lib" "$to/root/.ssh" "$to/users/plain/.ssh" "$to/ext" "$to/srv/app" "$to/data" "$to/lib64"
mkdir -m 1777 "$to/tmp"
cp "$from/bin/busybox" "$to/bin/busybox"
chroot "$to" /bin/busybox --install -s
ln -sf ../bin/busybox "$to/sbin/init"

for program in /usr/sbin/sshd /usr/lib/openssh/sftp-server; do
    cp "$from$program" "$to$program"
    chroot "$from" ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
        mkdir -p "$to${library%/*}"
        cp -L "$from$library" "$to$library"
    done
done
# Names are looked up by a library that no program names.
for library in libnss_files.so.2 libnss_compat.so.2; do
    found=$(find "$from/usr/lib" "$from/lib" -name "$library" | head -n 1)
    [ -z "$found" ] || cp -L "$found" "$to/lib/"
done

echo "$name" > "$to/etc/hostname"
printf 'ID=busybox\nNAME=BusyBox\n' > "$to/etc/os-release"
printf 'root:x:0:0:root:/root:/bin/sh\nsshd:x:101:65534::/run/sshd:/bin/false\nplain:x:1000:1000::/users/plain:/bin/sh\n' \
    > "$to/etc/passwd"
printf 'root:*:19000::::::\nsshd:!:19000::::::\nplain:*:19000::::::\n' > "$to/etc/shadow"
printf 'root:x:0:\nnogroup:x:65534:\nplain:x:1000:\n' > "$to/etc/group"
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" > "$to/etc/hosts"
chmod 600 "$to/etc/shadow"
cat > "$to/etc/inittab" << 'END'
::sysinit:/bin/mkdir -p -m 755 /run/sshd
::respawn:/usr/sbin/sshd -D -e
END
cat > "$to/etc/ssh/sshd_config" << 'END'
UseDNS no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
SetEnv PATH=/bin:/sbin:/usr/bin:/usr/sbin
Subsystem sftp /usr/lib/openssh/sftp-server
END
echo 'level = 3' > "$to/srv/app/app.conf"
for home in root users/plain; do
    chmod 700 "$to/$home/.ssh"
    install -m 600 "$to/authorized_keys" "$to/$home/.ssh/authorized_keys"
done
rm "$to/authorized_keys"
chown -R 1000:1000 "$to/users/plain"
