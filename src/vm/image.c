/* SPDX-License-Identifier: MIT */
/* What all image formats share: reading the file, finding and taking places in guest memory, and saying why not. */
#include "vm/image_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, LOW_FIRST = 0x1000, LOW_END = 0x9fc00, HIGH_FIRST = 0x100000, HOLE = 0xa0000, HOLE_END = 0xc0000 };

u8 *guest_mem_at(const struct guest_mem *m, u64 gpa, u64 size)
{
	for (unsigned i = 0; i < m->n; i++) {
		const struct vm_ram *r = &m->ram[i];
		if (gpa >= r->gpa && gpa - r->gpa <= r->size && size <= r->size - (gpa - r->gpa))
			return r->host + (gpa - r->gpa);
	}
	return NULL;
}

static int read_all(int fd, const char *path, size_t size, struct kt_buf *out, struct kt_err *err)
{
	u8 *to = kt_buf_room(out, size ? size : 1);
	size_t got = 0;
	if (!to)
		return kt_fail(err, KT_E_NOMEM, "%s: no memory for its %zu bytes", path, size);
	while (got < size) {
		ssize_t n = read(fd, to + got, size - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return kt_fail(err, KT_E_IO, "%s: reading at byte %zu: %s", path, got, strerror(errno));
		if (!n)
			return kt_fail(
				err, KT_E_IO,
				"%s: ended at byte %zu of %zu while being read: let nothing write to it and try again",
				path, got, size);
		got += (size_t)n;
	}
	out->len += got;
	return 0;
}

int image_file_read(const char *path, const char *option, struct kt_buf *out, struct kt_err *err)
{
	struct stat st;
	if (!path || !*path)
		return kt_fail(err, KT_E_ARG, "no guest image: name a file with %s", option);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* NONBLOCK: a FIFO must not hang us before fstat */
	if (fd < 0)
		return kt_fail(err, KT_E_IO, "%s: cannot open: %s; check the path given with %s", path, strerror(errno),
			       option);
	int rc;
	if (fstat(fd, &st))
		rc = kt_fail(err, KT_E_IO, "%s: %s", path, strerror(errno));
	else if (S_ISDIR(st.st_mode))
		rc = kt_fail(err, KT_E_ARG, "%s: is a directory: %s takes a file", path, option);
	else if (!S_ISREG(st.st_mode))
		rc = kt_fail(err, KT_E_ARG, "%s: is not a regular file: copy its content to one for %s", path, option);
	else if ((u64)st.st_size > IMAGE_FILE_MAX)
		rc = kt_fail(err, KT_E_IMAGE,
			     "%s: has %lld bytes, more than the 2 GiB that %s takes; is it a disk image?", path,
			     (long long)st.st_size, option);
	else
		rc = read_all(fd, path, (size_t)st.st_size, out, err);
	close(fd);
	return rc;
}

static int bad(struct image_load *l, enum kt_code code, const char *fmt, va_list ap)
{
	char text[400];
	vsnprintf(text, sizeof text, fmt, ap);
	return kt_fail(l->err, code, "%s: %s", l->path, text);
}

int image_bad(struct image_load *l, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int rc = bad(l, KT_E_IMAGE, fmt, ap);
	va_end(ap);
	return rc;
}

int image_bad_arg(struct image_load *l, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int rc = bad(l, KT_E_ARG, fmt, ap);
	va_end(ap);
	return rc;
}

static u64 top_of_ram(const struct guest_mem *m)
{
	u64 top = 0;
	for (unsigned i = 0; i < m->n; i++) {
		bool rom = m->ram[i].gpa >= IMAGE_4G - (16u << 20) && m->ram[i].gpa < IMAGE_4G;
		if (!rom && m->ram[i].gpa + m->ram[i].size > top)
			top = m->ram[i].gpa + m->ram[i].size;
	}
	return top;
}

/* Why [gpa, gpa+size) is not RAM. */
static int no_ram(struct image_load *l, const char *what, u64 gpa, u64 size)
{
	u64 end = gpa + size, top = top_of_ram(l->m);
	if (end < gpa)
		return image_bad(l, "%s: 0x%llx bytes at 0x%llx wrap around the end of the address space", what,
				 (unsigned long long)size, (unsigned long long)gpa);
	if (gpa < HOLE_END && end > HOLE)
		return image_bad(l,
				 "%s at 0x%llx-0x%llx reaches into the video hole 0xa0000-0xbffff, where there is no "
				 "RAM: place it below, or at 0x100000 and above",
				 what, (unsigned long long)gpa, (unsigned long long)end - 1);
	return image_bad(l,
			 "%s needs guest memory at 0x%llx-0x%llx, and there is RAM only up to 0x%llx%s: give the guest "
			 "more with --mem, or link the image for an address that exists",
			 what, (unsigned long long)gpa, (unsigned long long)end - 1, (unsigned long long)top,
			 top > IMAGE_4G ? " with a hole below 4 GiB" : "");
}

static bool is_taken(const struct image_load *l, u64 gpa, u64 size, unsigned *which)
{
	for (unsigned i = 0; i < l->ntaken; i++) {
		if (gpa < l->taken[i].gpa + l->taken[i].size && l->taken[i].gpa < gpa + size) {
			*which = i;
			return true;
		}
	}
	return false;
}

int image_reserve(struct image_load *l, const char *what, u64 gpa, u64 size)
{
	if (!size)
		return 0;
	if (gpa + size < gpa || !guest_mem_at(l->m, gpa, size))
		return no_ram(l, what, gpa, size);
	if (l->ntaken == IMAGE_SPANS)
		return image_bad(l, "%s: more than %d pieces to load", what, IMAGE_SPANS);
	l->taken[l->ntaken].gpa = gpa;
	l->taken[l->ntaken++].size = size;
	return 0;
}

int image_place(struct image_load *l, const char *what, u64 gpa, const void *src, u64 n, u64 memsz)
{
	unsigned k;
	if (n > memsz)
		return image_bad(l, "%s: 0x%llx bytes for a place of 0x%llx", what, (unsigned long long)n,
				 (unsigned long long)memsz);
	unsigned before = l->ntaken;
	int rc = image_reserve(l, what, gpa, memsz);
	if (rc || l->ntaken == before)
		return rc;
	l->ntaken = before; /* it must not meet itself */
	if (is_taken(l, gpa, memsz, &k))
		return image_bad(l, "%s at 0x%llx-0x%llx overlaps what is loaded at 0x%llx-0x%llx", what,
				 (unsigned long long)gpa, (unsigned long long)(gpa + memsz - 1),
				 (unsigned long long)l->taken[k].gpa,
				 (unsigned long long)(l->taken[k].gpa + l->taken[k].size - 1));
	l->ntaken = before + 1;
	if (n)
		memcpy(guest_mem_at(l->m, gpa, memsz), src, n);
	return 0;
}

/* The lowest or highest free place in one stretch of RAM. */
static bool find_in(const struct image_load *l, u64 lo, u64 hi, u64 size, bool highest, u64 *gpa)
{
	unsigned k;
	lo = (lo + PAGE - 1) & ~(u64)(PAGE - 1);
	if (hi < size || lo > hi - size)
		return false;
	u64 at = highest ? (hi - size) & ~(u64)(PAGE - 1) : lo;
	while (at >= lo && at <= hi - size) {
		if (!is_taken(l, at, size, &k)) {
			*gpa = at;
			return true;
		}
		if (!highest)
			at = (l->taken[k].gpa + l->taken[k].size + PAGE - 1) & ~(u64)(PAGE - 1);
		else if (l->taken[k].gpa >= size)
			at = (l->taken[k].gpa - size) & ~(u64)(PAGE - 1);
		else
			break;
	}
	return false;
}

bool image_find(const struct image_load *l, u64 lo, u64 hi, u64 size, bool highest, u64 *gpa)
{
	for (unsigned i = 0; i < l->m->n; i++) {
		const struct vm_ram *r = &l->m->ram[highest ? l->m->n - 1 - i : i];
		if (r->gpa >= IMAGE_4G - (16u << 20) && r->gpa < IMAGE_4G)
			continue; /* where firmware lies */
		if (find_in(l, KT_MAX(lo, r->gpa), KT_MIN(hi, r->gpa + r->size), size, highest, gpa))
			return true;
	}
	return false;
}

int image_scratch(struct image_load *l, const char *what, u64 prefer, u64 size, u64 *gpa, u8 **host)
{
	if (!image_find(l, prefer, prefer + ((size + PAGE - 1) & ~(u64)(PAGE - 1)), size, false, gpa) &&
	    !image_find(l, LOW_FIRST, LOW_END, size, false, gpa) &&
	    !image_find(l, HIGH_FIRST, IMAGE_4G, size, false, gpa))
		return image_bad(l, "no free guest memory for %s (0x%llx bytes): give the guest more with --mem", what,
				 (unsigned long long)size);
	*host = guest_mem_at(l->m, *gpa, size);
	return image_reserve(l, what, *gpa, size);
}

u64 image_taken_end(const struct image_load *l)
{
	u64 end = 0;
	for (unsigned i = 0; i < l->ntaken; i++)
		if (l->taken[i].gpa < IMAGE_4G)
			end = KT_MAX(end, l->taken[i].gpa + l->taken[i].size);
	return end;
}

int image_note(struct image_load *l, const char *path, const char *kind, u64 gpa, u64 size, u64 entry)
{
	if (l->out->n == IMAGE_MAX)
		return image_bad(l, "more than %d images", IMAGE_MAX);
	struct vm_image_info *i = &l->out->info[l->out->n++];
	memset(i, 0, sizeof *i);
	snprintf(i->path, sizeof i->path, "%s", path);
	snprintf(i->kind, sizeof i->kind, "%s", kind);
	i->gpa = gpa;
	i->size = size;
	i->entry = entry;
	return 0;
}
