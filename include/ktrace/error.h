/* SPDX-License-Identifier: MIT */
/* Errors: a stable number, and a sentence that says what, where and what to do. */
#ifndef KTRACE_ERROR_H
#define KTRACE_ERROR_H

/* Numbers are stable: scripts and bindings may rely on them. Functions return the negative of one. */
enum kt_code {
	KT_OK = 0,
	KT_E_ARG = 1,         /* a value the caller gave is out of range or malformed */
	KT_E_NOMEM = 2,
	KT_E_IO = 3,          /* the operating system refused a read, write, open ... */
	KT_E_NO_KVM = 4,      /* /dev/kvm is missing, may not be opened, or lacks what is needed */
	KT_E_IMAGE = 5,       /* a guest image is not what it should be */
	KT_E_GUEST = 6,       /* the guest did what cannot be recorded on this host */
	KT_E_FORMAT = 7,      /* not a ktrace file */
	KT_E_VERSION = 8,     /* a ktrace file that needs a newer reader */
	KT_E_CORRUPT = 9,     /* a ktrace file whose content contradicts itself */
	KT_E_RANGE = 10,      /* a step or an address outside the trace */
	KT_E_END = 11,        /* the end of the trace: not a failure */
	KT_E_FULL = 12,       /* the disk is full */
	KT_E_UNSUPPORTED = 13 /* well-formed, and this build cannot do it */
};

/* Filled by every function that can fail; the caller owns it. May be NULL where a caller wants the number only. */
struct kt_err {
	enum kt_code code;
	char text[480];
};

/* The short English name of a code ("corrupt trace"); never NULL, "unknown error" for other numbers. */
const char *kt_code_name(int code);

/* Fills err (when not NULL) and returns -code, so that a caller can `return kt_fail(...)`. */
int kt_fail(struct kt_err *err, enum kt_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "fmt: " before the text err already holds; returns -err->code. */
int kt_fail_in(struct kt_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
