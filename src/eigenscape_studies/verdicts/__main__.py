"""Print the table that ships with ``eigenscape.spectra``, from a result of this study."""

import sys

from eigenscape_studies import StudyResult
from eigenscape_studies.verdicts._precisions import shipped_text

sys.stdout.write(shipped_text(StudyResult.load(sys.argv[1])))
