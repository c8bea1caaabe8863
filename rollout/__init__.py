"""The way of a challenger to champion: the gate before it, the guard on it, and its stages."""
