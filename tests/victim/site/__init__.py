"""The site that is attacked: the same tools once unguarded, as the control, and behind the gate."""
