"""Who answers while a challenger is on trial: which requests it gets, and what becomes of them.

Nothing that a challenger does reaches a client. Nothing is judged here: what happened is counted
and recorded, and whoever watches the rollout decides.
"""
