"""Every parameter a user may change: value, unit and range; the command line overrides them.

A relative path here is relative to this file's folder.
"""

# What is watched
SOURCE = "simulated"  # simulated[:PROFILE], cpu, memory, network, disk, the path of a file, or - for standard input
COLUMN = None  # name of the value column in a file; None: `value`, else the only numeric one
TIME_COLUMN = None  # name of the time column in a file; None: found by its name and content
LABEL_COLUMN = None  # name of the ground truth's column in a file; None: found by its name
KEY_COLUMN = None  # name of the column that says which of many streams a row is of; None: all rows are of one stream
DROP_AFTER = None  # seconds of silence, 1 to 31536000, after which one of many streams is dropped; None: never
TIME_FORMAT = None  # form of times: d.m.y, d/m/y, m/d/y, yyyymmdd, unix, excel or a pattern (%d.%m.%Y); None: found
TIME_ZONE = None  # zone of times that have none, as Europe/Vienna or +02:00; None: UTC, or the one that a header names
DECIMAL = None  # decimal sign of the values: dot or comma; None: found
COUNTER = False  # whether the values are a total that only grows, whose growth is judged, True or False
GAUGE = False  # whether the values are no total, even if they only grow, True or False
EXPLAIN = False  # whether only how the source is understood is printed, with its first readings, True or False
MOST_STREAMS = None  # streams at the same time, 1 to 1000000 streams; None: as many as free memory allows
MEMORY_LIMIT = None  # that the run may take, 200 to 10000000 megabytes; None: no limit of its own
FOLLOW = False  # whether more is waited for at the end of a file, as tail -F does, True or False
DELAY = 0.1  # seconds between simulated or replayed points, 0 to 3600; 0: as fast as it goes
INTERVAL = None  # seconds between two looks at a source that has to be asked, 0.01 to 86400; None: its own usual
MAX_POINTS = None  # points, at least 1, after which the run ends; None: when the source ends
OUTLIER_PROBABILITY = 0.02  # probability that a simulated point begins an anomaly, 0 to 0.5; 0.2: one in five
SEED = 1  # start of all random numbers, 0 to 4294967295; the same seed gives the same run

# How it is judged
DETECTOR = "isolation-forest"  # name of the detector; --detector list shows what there is
COMPARE = None  # detectors with commas between: the first decides (in place of DETECTOR), the others judge along; None
MODEL = "isolation_forest.joblib"  # path of the trained model, made by model_prod.py
LSTM_MODEL = "lstm_autoencoder.npz"  # path of the LSTM autoencoder's weights, made by model_prod.py
WINDOW = 1000  # newest points that the sliding forest is fitted on, 10 to 100000
REFIT_EVERY = 250  # points between two fits of it, 1 to 1000000
HOLIDAYS = None  # country whose public holidays are judged as Sundays, as DE, DE-BY or US-NY; None: no day is known
REFITS = None  # path of the record of which of its forests judged which point, followed if it is there; None: none

# When it alarms
ALARM_RATE = 0.001  # wanted share of normal points that are flagged, 0.000001 to 0.2
ALARMS_A_DAY = None  # alarms a day at most, 0.001 to 1000 (of all streams together), in place of ALARM_RATE; None: that
DIRECTION = "both"  # values that alarm: above the expected (up), below it (down), or both
MINIMUM_DEVIATION = 0  # least distance from the expected value, in the stream's unit, at least 0
MINIMUM_DEVIATION_PERCENT = 0  # the same in percent of the expected value, at least 0; both must hold
COOL_DOWN = 5  # calm points in a row that an episode survives, 0 to 100000
IGNORE = None  # texts: maintenance windows, such as ["daily 02:00-03:00"], judged but not learned; None: there is none

# Where it goes
FORMAT = "auto"  # of standard output: text (a line a point), json, events (of episodes), quiet; auto: docs/outputs.md
LOG = "anomaly.log"  # path of the log of episodes; None: no log
LOG_BYTES = 1_000_000  # size of one log file, bytes, 1000 to 1000000000; a full one is rotated
LOG_FILES = 5  # rotated log files that are kept, 1 to 1000
REPORT = None  # path of a CSV file with one row an anomalous point; None: no report
CHECKPOINT = None  # path where the run is kept, to go on from there at the next start; None: not kept
CHECKPOINT_EVERY = 10  # seconds between two times that it is written, 0.01 to 86400
VERDICTS = None  # path of a file of what you say of alarms (keys n, y, m) and rules you take; None: for one run
SUMMARY = None  # path of an HTML page of the run, written at its end; None: no page
ON_ANOMALY = None  # command run once an episode, with the verdict as JSON on its standard input; None: no command
ON_ANOMALY_SECONDS = 30  # how long that command may run, seconds, 0.1 to 3600; then it is killed
TELL = None  # texts: addresses that get a message of each episode, such as ["ntfy://ntfy.sh/TOPIC"]; None: nobody

# The live view
VISUALIZATION = True  # whether the stream is drawn while it arrives, True or False
VIEW = "auto"  # where it is drawn: auto, window, terminal, browser or none
THEME = "light"  # colours of the picture: light, dark or auto (those that the system has)
HISTORY = 50_000  # points kept for going back in the picture, 500 to 10000000
IMAGES = "detected-image"  # folder of the saved pictures
SNAPSHOT_ON_ANOMALY = False  # whether a picture is saved at each episode's end, True or False
CASE_ON_ANOMALY = None  # folder for a case file of each episode, which "replay" judges again; None: none is made
PORT = 0  # of the browser's page, 0 to 65535; 0: any free one
PUBLIC = False  # whether the browser's page may be reached from other machines, True or False
TOKEN_FILE = None  # path where the token to look at the page is kept, the one to act beside it; None: new ones each run
MOST_VISITORS = 64  # connections to the browser's page at once, 1 to 1000; strangers' are closed first
BASE_URL = None  # text: address of the browser's page as others reach it, behind a proxy; None: there is none
TLS_CERT = None  # path of the certificate of the browser's page, PEM: it is served by https; None: by http
TLS_KEY = None  # path of the certificate's key, if it is in another file; None: it is in the same
GLOBAL_HOTKEY = False  # whether q saves a picture from any program, True or False; reads every key typed anywhere
