"""Is the model still accurate?"""
