# What the engine says of a container. In: engine container
status=$(status) || fail 69 "$engine does not answer, or knows no such container any more"
tell status "$status"
tell started "$(started)"
if [ "$engine" = nerdctl ]; then
    tell policy "$(labelled containerd.io/restart.policy)"
    tell removed_at_end "$(labelled nerdctl/auto-remove)"
else
    tell policy "$(ask '{{.HostConfig.RestartPolicy.Name}}')"
    tell removed_at_end "$(ask '{{.HostConfig.AutoRemove}}')"
fi
tell health "$(ask '{{if .State.Health}}{{.State.Health.Status}}{{end}}')"
# Podman only: `default`, `disabled`, `split`, …
tell cgroups "$(ask '{{.HostConfig.Cgroups}}')"
