-- What is paused; id is that of its gate, where runs that it holds stand. over: 1 while those who stood there are being let go.
CREATE TABLE pauses (
  id TEXT PRIMARY KEY,
  namespace TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  since REAL NOT NULL,
  reason TEXT,
  over INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX pauses_over ON pauses (id) WHERE over = 1;
