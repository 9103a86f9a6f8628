"""What an event log shows: reading it back, following posts, timelines, waveforms."""
