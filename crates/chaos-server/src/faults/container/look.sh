# What the engine says of a container. In: engine container
status=$(status) || fail 69 "$engine does not answer, or knows no such container any more"
tell status "$status"
tell started "$(started)"
tell policy "$(ask '{{.HostConfig.RestartPolicy.Name}}')"
tell removed_at_end "$(ask '{{.HostConfig.AutoRemove}}')"
tell health "$(ask '{{if .State.Health}}{{.State.Health.Status}}{{end}}')"
# Podman only: `default`, `disabled`, `split`, …
tell cgroups "$(ask '{{.HostConfig.Cgroups}}')"
