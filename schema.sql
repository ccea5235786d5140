-- The tables of a ktrace file, format version 1. doc/format.md, section "Tables", says what stands in the blobs.
-- application_id is 0x6b747263 ('ktrc'), user_version the format version; the writer sets both before anything else.
-- Comments stand outside the statements, so that SQLite does not keep them in every trace.
-- Steps and sequence numbers are plain integers; addresses are signed 64-bit patterns.

-- One row: what was recorded, on what, from which state. min_reader: the lowest format version a reader must know;
-- features: bits that a reader must know (none yet); regs: State(first_step), sealed; init: hash of that state and of
-- the initial memory (16 bytes); bytes_static: file bytes that images and initial memory take; limits: steps, payload
-- and pages of a chunk as varints.
CREATE TABLE head (
  id INTEGER PRIMARY KEY, min_reader INTEGER NOT NULL, features INTEGER NOT NULL, arch INTEGER NOT NULL,
  engine TEXT NOT NULL, command TEXT NOT NULL, mem_bytes INTEGER NOT NULL, step_ns INTEGER NOT NULL, rtc INTEGER NOT NULL,
  first_step INTEGER NOT NULL, start_pc INTEGER NOT NULL, init BLOB NOT NULL, regs BLOB NOT NULL,
  bytes_static INTEGER NOT NULL, limits BLOB NOT NULL);

-- One row, written before step 0 with finished = 0, so that its space is there when the disk is full. The recorder's
-- last act is to fill it in; a file with finished = 0 was left by a recorder that died, or is being written.
-- reserve: zero bytes that make room for reason, text and digest.
CREATE TABLE ending (
  id INTEGER PRIMARY KEY, finished INTEGER NOT NULL, reason TEXT NOT NULL, text TEXT NOT NULL, digest BLOB, reserve BLOB);

-- What was loaded into the machine, in order.
CREATE TABLE image (
  id INTEGER PRIMARY KEY, path TEXT NOT NULL, kind TEXT NOT NULL, gpa INTEGER NOT NULL, size INTEGER NOT NULL,
  entry INTEGER NOT NULL);

-- The machine's RAM ranges, ascending.
CREATE TABLE ram (id INTEGER PRIMARY KEY, gpa INTEGER NOT NULL, size INTEGER NOT NULL);

-- RAM before step 0, in extents of 64 KiB aligned to their size; id = gpa / 65536. An extent of zeros has no row.
CREATE TABLE extent (id INTEGER PRIMARY KEY, data BLOB NOT NULL);

-- Instructions, as they were first met: entries first_id .. first_id + count - 1. Written by the chunk that met them.
CREATE TABLE dict (first_id INTEGER PRIMARY KEY, count INTEGER NOT NULL, data BLOB NOT NULL);

-- Steps first_step .. first_step + count - 1. sums: totals up to this chunk's end; idx: what is in it (instructions,
-- pages, zone map); keys: registers at each frame's start; frames: the steps; pages: new versions of the pages it wrote;
-- devices: device state at its start, or NULL; stack: the call stack at its start, and how deep it went.
CREATE TABLE chunk (
  seq INTEGER PRIMARY KEY, first_step INTEGER NOT NULL UNIQUE, count INTEGER NOT NULL, sums BLOB NOT NULL,
  idx BLOB NOT NULL, keys BLOB NOT NULL, frames BLOB NOT NULL, pages BLOB, devices BLOB, stack BLOB);

-- The index over 64 finished chunks (level 1), 64 segments (level 2) and so on: number idx of level L covers chunks
-- idx * 64^L up to (idx + 1) * 64^L - 1. ids: instruction -> which of its 64 parts ran it, and how often; pages: page
-- -> which of its 64 parts wrote it.
CREATE TABLE segment (
  level INTEGER NOT NULL, idx INTEGER NOT NULL, ids BLOB NOT NULL, pages BLOB NOT NULL, UNIQUE (level, idx));

-- The digest's leaves that are complete: the hash of steps 65536 * id .. 65536 * id + 65535.
CREATE TABLE leaf (id INTEGER PRIMARY KEY, hash BLOB NOT NULL);

-- Pages that did not hold what the steps say: the true content of page `page` (gpa / 4096) at State(step); it changed
-- unseen after State(after_step). Never in the digest.
CREATE TABLE audit (
  id INTEGER PRIMARY KEY, page INTEGER NOT NULL, step INTEGER NOT NULL, after_step INTEGER NOT NULL, data BLOB NOT NULL);

-- What the guest's consoles said, in pieces of at most a line; derived from the steps' events. which: 0 ttyS0, 1 ttyS1,
-- 2 the debug port; step wrote the piece's first byte.
CREATE TABLE console (id INTEGER PRIMARY KEY, step INTEGER NOT NULL, which INTEGER NOT NULL, text BLOB NOT NULL);
