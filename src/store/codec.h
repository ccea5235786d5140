/* SPDX-License-Identifier: MIT */
/* The codec: frames of steps to bytes and back. Pure functions: no SQLite, no KVM, no clock, no disassembler; it knows
 * descriptors. doc/format.md specifies every byte; hostile input gives -KT_E_CORRUPT, never more. */
#ifndef KT_CODEC_H
#define KT_CODEC_H

#include "store/chunk.h"

/* The dictionary as the codec sees it. NULL for an unknown id. */
struct kt_dict_view {
	const struct kt_insn *(*get)(void *ctx, u32 id);
	void *ctx;
};

/* Guest memory at the trace's first state, if the caller has it at hand: what is loaded for the first time in a frame is
 * often still that. Writer and reader must be given the same. Returns 4096 bytes, valid until the next call, or NULL where
 * there is no RAM or it is not known (that too must be the same for both). gpa is a multiple of 4096. */
struct kt_memory_view {
	const u8 *(*page)(void *ctx, u64 gpa);
	void *ctx;
};

/* Streams of a frame; order is frozen. Sizes by stream are reported for `bench` and `info`. */
enum kt_stream { KT_STREAM_CONTROL, KT_STREAM_REGS, KT_STREAM_LOADS, KT_STREAM_ADDR, KT_STREAM_EVENTS, KT_STREAM_DATA, KT_STREAMS };

struct kt_encoder;
struct kt_decoder;

struct kt_encoder *kt_encoder_create(const struct kt_arch *arch); /* NULL: out of memory */
void kt_encoder_destroy(struct kt_encoder *e);
/* From the next frame on. Frames say whether they were written with it. NULL: none (so at first). */
void kt_encoder_initial_memory(struct kt_encoder *e, const struct kt_memory_view *view);

/* Encodes steps [first, first+count) of a chunk (indices in the chunk; first is a frame's start) into `out` (appended). `local` is the
 * chunk's local id table: local[i] = dictionary id, sorted ascending, nlocal of them. `bytes[s]` grows by each stream's
 * compressed size. The same input gives the same bytes on every host. */
int kt_encode_frame(struct kt_encoder *e, const struct kt_raw_chunk *c, u32 first, u32 count, const u32 *local, u32 nlocal,
                    const struct kt_dict_view *dict, struct kt_buf *out, u64 bytes[KT_STREAMS], struct kt_err *err);

struct kt_decoder *kt_decoder_create(const struct kt_arch *arch);
void kt_decoder_destroy(struct kt_decoder *d);
/* From the next frame on. A frame that was written with it can be decoded with it only (-KT_E_ARG); one that was not ignores it.
 * kt_decode_control never needs it. */
void kt_decoder_initial_memory(struct kt_decoder *d, const struct kt_memory_view *view);

/* Begins a frame. `regs`: the register file at its start (the keyframe). `first`: number of its first step. Everything passed stays the
 * caller's and must outlive the frame. */
int kt_decoder_begin(struct kt_decoder *d, const u8 *frame, size_t n, u64 first, u32 count, const u64 *regs, const u32 *local,
                     u32 nlocal, const struct kt_dict_view *dict, struct kt_err *err);
/* The next step; 0, -KT_E_END behind the last, -KT_E_CORRUPT. *step is valid until the next call; step->insn points into
 * the dictionary (const in spirit). kt_decoder_regs is then the whole register file after it. */
int kt_decoder_next(struct kt_decoder *d, const struct kt_step **step, struct kt_err *err);
const u64 *kt_decoder_regs(const struct kt_decoder *d);

/* Only the control stream: local ids of a frame's steps and their kinds, for scans that need no registers. `ids` and `kinds`
 * have room for `count`. */
int kt_decode_control(struct kt_decoder *d, const u8 *frame, size_t n, u32 count, const u32 *local, u32 nlocal,
                      const struct kt_dict_view *dict, u32 *ids, u8 *kinds, struct kt_err *err);

/* Keyframes of a chunk: nframes register files (KT_REGS_MAX apart) to bytes and back. The first is coded as its difference from
 * `base` (NULL: zeros), for which the trace's State(first) serves well; a reader passes the same. */
int kt_keyframes_put_from(struct kt_buf *out, const struct kt_arch *arch, const u64 *base, const u64 *regs, u32 nframes);
int kt_keyframes_get_from(struct kt_rd *in, const struct kt_arch *arch, const u64 *base, u64 *regs, u32 nframes, struct kt_err *err);
/* With base NULL. */
int kt_keyframes_put(struct kt_buf *out, const struct kt_arch *arch, const u64 *regs, u32 nframes);
int kt_keyframes_get(struct kt_rd *in, const struct kt_arch *arch, u64 *regs, u32 nframes, struct kt_err *err);

#endif
