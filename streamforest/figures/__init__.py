"""Pictures without a screen."""

import warnings

# keys and names of columns may be of any script: what the fonts lack is drawn as boxes
warnings.filterwarnings("ignore", r"Glyph .* missing from|Matplotlib currently does not support", UserWarning)
