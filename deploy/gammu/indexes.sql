-- Indexes for what Timpora asks every two seconds. They change nothing for SMSD, and hold for
-- SQLite and PostgreSQL alike.
CREATE INDEX IF NOT EXISTS timpora_inbox ON inbox ("Processed", "ID");
CREATE INDEX IF NOT EXISTS timpora_outbox ON outbox ("CreatorID");
CREATE INDEX IF NOT EXISTS timpora_sent ON sentitems ("CreatorID");
CREATE INDEX IF NOT EXISTS timpora_news ON sentitems ("UpdatedInDB", "ID");
