#!/bin/sh
# Brings new versions from the object storage: fetch.sh once | forever.
# A server knows a version by its model.yaml, so that comes last. What is there is never changed.
# Whoever retrains has IMAGES, the folder of the training images, and gets those too.
set -eu

copy() {
    rclone --config notfound copy "$@" --ignore-existing --fast-list
}

fetch() {
    if copy "$STORE" "$VERSIONS" --filter '- /*/*/model.yaml' --filter '- /*/latest' &&
        copy "$STORE" "$VERSIONS" --include '/*/*/model.yaml'; then
        # The server tells in its metrics when that was.
        touch "${VERSIONS%/*}/pupila-fetched"
    else
        echo "No versions came from $STORE." >&2
    fi
}

# For the probe: the second, since 1970, until which all is well.
alive() {
    echo $(($(date +%s) + STORE_SECONDS + 600)) >/tmp/fetching
}

case $1 in
# The image brings versions of its own: a storage that is away is no reason not to serve.
once)
    fetch
    [ -z "${IMAGES-}" ] || copy "$STORE_IMAGES" "$IMAGES" --exclude /lock ||
        echo "No training images came from $STORE_IMAGES." >&2
    ;;
forever)
    trap 'exit 0' TERM
    while :; do
        alive
        sleep "$STORE_SECONDS" &
        wait $!
        fetch
    done
    ;;
esac
