"""Do the images still look like those that the version was validated on?"""
