#!/bin/sh
# Makes a virtual machine of a test host's root. Runs inside the root.
set -eu
cat > /etc/systemd/system/world-agent.service << 'UNIT'
[Unit]
Description=Runs what tests want to know of this machine
[Service]
ExecStart=/usr/bin/python3 -B /usr/lib/world/agent
Restart=always
RestartSec=1
# What a test has left running on purpose is no matter of this service.
KillMode=process
[Install]
WantedBy=multi-user.target
UNIT
systemctl -q enable world-agent
# A login need not wait for a service manager of its user, which takes seconds there and comes and goes with the logins.
mkdir -p /var/lib/systemd/linger
touch /var/lib/systemd/linger/root
