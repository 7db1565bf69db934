#!/bin/sh
# Turns a bare Debian into a test host. Runs inside its root; the host's name, machine id and resolver are arguments.
set -eu
name=$1 machine_id=$2 resolver=$3
export DEBIAN_FRONTEND=noninteractive

echo "$name" > /etc/hostname
echo "$machine_id" > /etc/machine-id
printf '127.0.0.1 localhost\n127.0.1.1 %s\n::1 localhost\n' "$name" > /etc/hosts
printf 'nameserver %s\noptions timeout:2 attempts:1\n' "$resolver" > /etc/resolv.conf
# The world is quiet: nothing runs by the clock but what a test put there.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
    e2scrub_reap.service systemd-pstore.service; do
    rm -f /etc/systemd/system/*.wants/$unit
done
rm -f /etc/cron.d/e2scrub_all /etc/cron.daily/*

# --- who may enter
useradd -m -s /bin/bash chaos
useradd -m -s /bin/bash chaospw
useradd -m -s /bin/bash plain
useradd -m -s /bin/bash noisy
useradd -m -s /usr/lib/world/hang hang
useradd -m -s /usr/sbin/nologin nologin
echo 'chaospw:correct horse' | chpasswd
echo 'chaos ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/chaos
echo 'chaospw ALL=(ALL) ALL' > /etc/sudoers.d/chaospw
chmod 440 /etc/sudoers.d/*
for user in root chaos chaospw plain noisy hang nologin; do
    home=$(getent passwd "$user" | cut -d: -f6)
    install -d -m 700 -o "$user" "$home/.ssh"
    install -m 600 -o "$user" /usr/lib/world/authorized_keys "$home/.ssh/authorized_keys"
done
printf 'echo "Welcome, it is a fine day."\necho "Careful!" >&2\n' > ~noisy/.bashrc
printf '#!/bin/sh\nexec sleep 3600\n' > /usr/lib/world/hang
chmod 755 /usr/lib/world/hang
cat > /etc/ssh/sshd_config.d/world.conf << 'END'
UseDNS no
PermitRootLogin prohibit-password
PasswordAuthentication no
TrustedUserCAKeys /usr/lib/world/user_ca.pub
Match User chaospw
    PasswordAuthentication yes
END
# A second server for tests that open very many connections; the first keeps the limits that hosts really have.
cat > /etc/systemd/system/ssh-many.service << 'END'
[Unit]
Description=SSH server without connection limits
After=network.target
[Service]
ExecStart=/usr/sbin/sshd -D -p 2222 -o MaxStartups=1000 -o MaxSessions=100 -o PidFile=none
RuntimeDirectory=sshd
RuntimeDirectoryPreserve=yes
[Install]
WantedBy=multi-user.target
END

# --- where disks are filled
mkdir -p /data /ext /readonly
cat > /etc/fstab << 'END'
tmpfs /data tmpfs size=256M,nr_inodes=20000,mode=755 0 0
tmpfs /readonly tmpfs ro,size=1M 0 0
END
install -d -m 2775 -g plain /srv/app/conf
echo 'level = 3' > /srv/app/conf/app.conf
echo 'secret' > /srv/app/conf/secret.key
chmod 640 /srv/app/conf/secret.key
chown root:plain /srv/app/conf/*
setfacl -m u:chaos:r /srv/app/conf/secret.key
setfattr -n user.origin -v world /srv/app/conf/app.conf
echo 'odd' > '/srv/app/conf/a name; with $(odd) "parts"'
ln -s app.conf /srv/app/conf/link.conf
cp /bin/true /srv/app/suid
chmod 4755 /srv/app/suid
cp /bin/true /srv/app/capable
setcap cap_net_raw=ep /srv/app/capable

# --- services, one of each kind that is easy to restore wrongly
unit() { cat > "/etc/systemd/system/$1"; }
# A service that does nothing until it is stopped. In: name, description, and what else [Unit] and [Service] say
sleeper() {
    printf '[Unit]\nDescription=%s\n%b[Service]\nExecStart=/bin/sleep infinity\n%b[Install]\nWantedBy=multi-user.target\n' \
        "$2" "${3-}" "${4-}" | unit "$1.service"
}
unit postgresql.service << 'END'
[Unit]
Description=A listener where PostgreSQL would be
[Service]
ExecStart=/bin/nc -lk 127.0.0.1 5432
Restart=on-failure
User=plain
[Install]
WantedBy=multi-user.target
END
unit app-socket.socket << 'END'
[Socket]
ListenStream=7007
[Install]
WantedBy=sockets.target
END
unit app-socket.service << 'END'
[Unit]
Description=Started by its socket
Requires=app-socket.socket
[Service]
ExecStart=/lib/systemd/systemd-socket-proxyd 127.0.0.1:80
END
sleeper app-restarting 'Comes back whatever ends it' '' 'Restart=always\nRestartSec=1\n'
sleeper app-base 'Others depend on it' 'Wants=app-unlisted.service\n'
sleeper app-needs 'Stops with app-base, is not started with it' 'Requires=app-base.service\nAfter=app-base.service\n'
sleeper app-part 'Stops and restarts with app-base' 'PartOf=app-base.service\nAfter=app-base.service\n'
sleeper app-unlisted 'Runs although it is disabled'
sleeper app-idle 'Enabled nowhere and not running'
unit app-slow-stop.service << 'END'
[Unit]
Description=Takes three seconds to stop
[Service]
ExecStart=/bin/sleep infinity
# At a reboot it hurries, or every reboot of every test took three seconds more.
ExecStop=/bin/sh -c '[ "$(systemctl is-system-running)" = stopping ] || sleep 3'
[Install]
WantedBy=multi-user.target
END
unit app-workers.service << 'END'
[Unit]
Description=A parent with two workers
[Service]
ExecStart=/bin/sh -c 'sleep infinity & sleep infinity & wait'
[Install]
WantedBy=multi-user.target
END
unit app-yearly.service << 'END'
[Unit]
Description=Run by a timer
[Service]
Type=oneshot
ExecStart=/bin/true
END
unit app-yearly.timer << 'END'
[Timer]
OnCalendar=yearly
[Install]
WantedBy=timers.target
END
# --- container engines, which run only while a test wants them; their one image is a file
for unit in docker.service docker.socket containerd.service podman.service podman.socket podman-auto-update.service \
    podman-auto-update.timer podman-restart.service; do
    systemctl -q disable "$unit"
done
mkdir -p /etc/docker /etc/containers /tmp/image/bin
echo '{"bridge": "none", "iptables": false, "storage-driver": "vfs"}' > /etc/docker/daemon.json
printf '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n' \
    > /etc/containers/storage.conf
cp /bin/busybox /tmp/image/bin/
for tool in cat ip nc ping sh sleep touch true wget; do ln -s busybox /tmp/image/bin/$tool; done
for folder in dev etc proc sys tmp; do mkdir /tmp/image/$folder; done
tar -C /tmp/image -cf /usr/lib/world/busybox.tar .
rm -r /tmp/image
systemctl -q enable ssh-many postgresql app-socket.socket app-restarting app-base app-needs app-part app-slow-stop \
    app-workers app-yearly.timer nginx ssh
echo '17 3 * * * root true' > /etc/cron.d/world
