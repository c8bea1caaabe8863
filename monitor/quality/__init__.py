"""Are the images and labels valid?"""
