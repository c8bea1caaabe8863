#!/bin/sh
# Takes a version from this volume to the object storage, where the servers get theirs, and with it
# the training images: publish.sh <model>:<version>; or publish.sh images, these alone.
# Of the training images, what was deleted here is deleted there. It may be run again.
set -eu

to_store() {
    "${RCLONE:-rclone}" --config notfound --fast-list "$@"
}

# Lists come last, since they name images. The folder of a first training may not be there yet.
if [ -d "$IMAGES" ]; then
    to_store sync "$IMAGES" "$STORE_IMAGES" --exclude '/versions/**' --exclude /lock
    [ ! -d "$IMAGES/versions" ] || to_store sync "$IMAGES/versions" "$STORE_IMAGES/versions"
fi
[ "$1" != images ] || exit 0

version=${1%%:*}/${1#*:}
[ -f "$VERSIONS/$version/model.yaml" ] || {
    echo "There is no version $1 in $VERSIONS." >&2
    exit 1
}
# As fetch.sh does: what has its model.yaml is whole.
to_store copy "$VERSIONS/$version" "$STORE/$version" --exclude /model.yaml
to_store copyto "$VERSIONS/$version/model.yaml" "$STORE/$version/model.yaml"
