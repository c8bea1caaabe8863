#!/bin/sh
# Takes a version from this volume to the object storage, where the servers get theirs, and with it
# the training images: publish.sh <model>:<version>; publish.sh <model>, all of its versions; or
# publish.sh --images, these alone.
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
[ "$1" != --images ] || exit 0

publish() {
    [ -f "$VERSIONS/$1/model.yaml" ] || {
        echo "There is no version $1 in $VERSIONS." >&2
        exit 1
    }
    # As fetch.sh does: what has its model.yaml is whole.
    to_store copy "$VERSIONS/$1" "$STORE/$1" --exclude /model.yaml
    to_store copyto "$VERSIONS/$1/model.yaml" "$STORE/$1/model.yaml"
}

case $1 in
*:*) publish "${1%%:*}/${1#*:}" ;;
*)
    for folder in "$VERSIONS/$1"/*/; do
        publish "$1/$(basename "$folder")"
    done
    ;;
esac
