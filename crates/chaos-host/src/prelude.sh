# Every tool speaks plainly, and is found where a system keeps it.
LC_ALL=C; export LC_ALL
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
# tell KEY VALUE: one line of the answer. The value must not hold a line break; what others named goes by `field`.
tell() { printf '%s=%s\n' "$1" "$2"; }
# field VALUE…: values that may hold anything a name can hold, each ended by a zero byte.
field() { printf '%s\0' "$@"; }
# fail CODE WHY: ends the script. 65 data, 69 unavailable, 75 busy (may work later), 77 no right.
fail() { code=$1; shift; printf '%s\n' "$*" >&2; exit "$code"; }
have() { command -v "$1" >/dev/null 2>&1; }
