#!/bin/sh
# Brings new versions from the object storage: fetch.sh once | forever.
# A server knows a version by its model.yaml, so that comes last. What is there is never changed.
set -eu

fetch() {
    set -- rclone --config notfound copy "$STORE" "$VERSIONS" --ignore-existing --fast-list
    "$@" --filter '- /*/*/model.yaml' --filter '- /*/latest' &&
        "$@" --include '/*/*/model.yaml' || echo "No versions came from $STORE." >&2
}

case $1 in
# The image brings versions of its own: a storage that is away is no reason not to serve.
once) fetch ;;
forever)
    trap 'exit 0' TERM
    while :; do
        sleep "$STORE_SECONDS" &
        wait $!
        fetch
    done
    ;;
esac
