# Gives every file its bits back that is still the one that we changed. In: those of run.sh, boot
! never_acted || { tell restored 0; exit 0; }
same_boot=1
[ "$booted" = "$boot" ] || same_boot=0
job=restore
permissions_by_shell "$@"
