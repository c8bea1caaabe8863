"""What a version is: image spec, artifact, manifest, runtime, conversion and store."""
