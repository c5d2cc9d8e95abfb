"""How surprising and how new a reading is in its stream's own past."""
