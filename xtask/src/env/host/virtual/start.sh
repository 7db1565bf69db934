#!/bin/sh
# Becomes the virtual machine, whose folder is the first argument. All others are for its kernel.
cd "$1" && shift || exit 1
echo $$ > supervisor.pid
exec > console.log 2>&1
# The memory of the machine is a file, by default in /dev/shm.
[ "$(df -Pm /dev/shm 2> /dev/null | awk 'NR == 2 { print $4 }')" -ge 1024 ] 2> /dev/null || export TMPDIR="$PWD"
# Both ends of both, so that nobody at the other side is no error.
exec 3<> agent/questions 4<> agent/answers
# Where things lie in the process decides how much memory the machine has, which shall be the same after each boot.
exec setarch -R linux.uml "$@"
