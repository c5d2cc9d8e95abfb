"""Made-up streams with labelled anomalies."""
