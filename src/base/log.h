/* SPDX-License-Identifier: MIT */
/* Talk for developers: levels and domains, to a sink that the program sets. Results never go here. */
#ifndef KT_LOG_H
#define KT_LOG_H

enum kt_log_level { KT_LOG_WARN = 0, KT_LOG_INFO = 1, KT_LOG_DEBUG = 2 };

/* NULL (the default): silence. `domain` is "vm", "store" ... */
typedef void kt_log_fn(void *ctx, enum kt_log_level level, const char *domain, const char *text);
void kt_log_to(kt_log_fn *fn, void *ctx, enum kt_log_level max);
void kt_log(enum kt_log_level level, const char *domain, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
