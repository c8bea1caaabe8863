"""Are images and labels in order?"""
