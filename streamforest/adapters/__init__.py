"""The default detector as other libraries know one; one file a library."""
