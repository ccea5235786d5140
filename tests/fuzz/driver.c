/* SPDX-License-Identifier: MIT */
/* Runs one fuzz target without a fuzzer:
 *
 *     fuzz_x [FOLDER|FILE]... [--random N SEED]
 *
 * Every file of the folders in order of name, then N inputs that follow from SEED: random bytes, and mutations of the
 * files. One line says what was run. Exit: 0 all inputs ran, 1 a file could not be read, 2 usage. A target that finds a
 * fault aborts: the input is then kept in fuzz-crash-<target> in the current folder, and the command to repeat it is
 * printed. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <fcntl.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

enum { RANDOM_MAX = 4096, FILE_MAX = 16 << 20 };

struct input {
	uint8_t *data;
	size_t size;
};

static const char *target;
static const uint8_t *current; /* the input under way: what a crash keeps */
static size_t current_size;
static struct input *files;
static size_t nfiles;

/* ---- keeping what crashed ---- */

static void keep_crash(void)
{
	char name[256];
	int n = snprintf(name, sizeof(name), "fuzz-crash-%s", target);

	if (!current || n < 0)
		return;
	int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0666);
	if (fd < 0)
		return;
	ssize_t put = write(fd, current, current_size);
	close(fd);
	fprintf(stderr, "%s: %s; repeat: %s %s\n", target,
		put == (ssize_t)current_size ? "input kept" : "input kept in part", target, name);
	current = NULL;
}

static void on_signal(int sig)
{
	keep_crash();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void run(const uint8_t *data, size_t size)
{
	/* An exact heap copy: a sanitizer sees a read past the end. */
	uint8_t *copy = malloc(size ? size : 1);
	if (!copy)
		abort();
	if (size)
		memcpy(copy, data, size);
	current = copy;
	current_size = size;
	LLVMFuzzerTestOneInput(copy, size);
	current = NULL;
	free(copy);
}

/* ---- files ---- */

static int fail(const char *path, const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", target, path, what);
	return 1;
}

static int load_file(const char *path)
{
	struct stat st;
	FILE *f = fopen(path, "rb");

	if (!f || fstat(fileno(f), &st) || st.st_size > FILE_MAX) {
		if (f)
			fclose(f);
		return fail(path, f ? "too large" : strerror(errno));
	}
	size_t size = (size_t)st.st_size;
	uint8_t *data = malloc(size ? size : 1);
	struct input *more = realloc(files, (nfiles + 1) * sizeof(*files));
	if (more)
		files = more;
	if (!data || !more || fread(data, 1, size, f) != size) {
		free(data);
		fclose(f);
		return fail(path, "cannot be read");
	}
	fclose(f);
	files[nfiles++] = (struct input){ data, size };
	return 0;
}

static int visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static int load(const char *path)
{
	struct stat st;
	struct dirent **list;
	char full[4096];
	int bad = 0;

	if (stat(path, &st))
		return fail(path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return load_file(path);
	int n = scandir(path, &list, visible, alphasort);
	if (n < 0)
		return fail(path, strerror(errno));
	for (int i = 0; i < n; i++) {
		snprintf(full, sizeof(full), "%s/%s", path, list[i]->d_name);
		if (!stat(full, &st) && S_ISREG(st.st_mode))
			bad |= load_file(full);
		free(list[i]);
	}
	free(list);
	return bad;
}

/* ---- inputs that follow from a seed ---- */

/* xorshift64*: the same numbers everywhere. */
static uint64_t next_random(uint64_t *s)
{
	*s ^= *s >> 12;
	*s ^= *s << 25;
	*s ^= *s >> 27;
	return *s * 2685821657736338717ull;
}

static size_t below(uint64_t *s, size_t n)
{
	return (size_t)((next_random(s) >> 16) % n);
}

static size_t make_random(uint64_t *s, uint8_t *out)
{
	size_t size = below(s, 4) ? below(s, 256) : below(s, RANDOM_MAX + 1);

	for (size_t i = 0; i < size; i++)
		out[i] = (uint8_t)(next_random(s) >> 32);
	return size;
}

static void mutate_once(uint64_t *s, uint8_t *out, size_t *size)
{
	static const uint8_t edges[] = { 0, 1, 0x7f, 0x80, 0xfe, 0xff };
	size_t at = *size ? below(s, *size) : 0, n;

	if (!*size)
		return;
	switch (below(s, 6)) {
	case 0: out[at] ^= (uint8_t)(1u << below(s, 8)); break;
	case 1: out[at] = edges[below(s, sizeof(edges))]; break;
	case 2: out[at] = (uint8_t)(next_random(s) >> 32); break;
	case 3: /* cut */ *size = at; break;
	case 4: /* remove a piece */
		n = 1 + below(s, *size - at);
		memmove(out + at, out + at + n, *size - at - n);
		*size -= n;
		break;
	default: /* repeat a piece over another */
		n = 1 + below(s, *size - at);
		memmove(out + below(s, *size - n + 1), out + at, n);
	}
}

static size_t make_mutation(uint64_t *s, uint8_t *out)
{
	const struct input *in = &files[below(s, nfiles)];
	size_t size = in->size < RANDOM_MAX ? in->size : RANDOM_MAX;

	memcpy(out, in->data, size);
	for (size_t n = 1 + below(s, 8); n; n--)
		mutate_once(s, out, &size);
	return size;
}

static void run_random(uint64_t n, uint64_t seed)
{
	static uint8_t buf[RANDOM_MAX];
	uint64_t s = seed * 0x9e3779b97f4a7c15ull + 1;

	s = s ? s : 1;
	for (uint64_t i = 0; i < n; i++) {
		size_t size = nfiles && below(&s, 3) ? make_mutation(&s, buf) : make_random(&s, buf);
		run(buf, size);
	}
}

static int usage(void)
{
	fprintf(stderr, "usage: %s [FOLDER|FILE]... [--random N SEED]\n", target);
	return 2;
}

static int parse(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 0);
	return *text >= '0' && *text <= '9' && !*end && !errno;
}

static void catch_crashes(void)
{
	signal(SIGABRT, on_signal);
	signal(SIGILL, on_signal);
	if (__sanitizer_set_death_callback) { /* the sanitizer reports the others itself, and calls back then */
		__sanitizer_set_death_callback(keep_crash);
		return;
	}
	signal(SIGSEGV, on_signal);
	signal(SIGBUS, on_signal);
	signal(SIGFPE, on_signal);
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	uint64_t n = 0, seed = 0;
	int bad = 0;

	target = slash ? slash + 1 : argv[0];
	if (argc < 2)
		return usage();
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-') {
			bad |= load(argv[i]);
			continue;
		}
		if (strcmp(argv[i], "--random") || argc - i < 3 || !parse(argv[i + 1], &n) ||
		    !parse(argv[i + 2], &seed))
			return usage();
		i += 2;
	}
	catch_crashes();
	for (size_t i = 0; i < nfiles; i++)
		run(files[i].data, files[i].size);
	run_random(n, seed);
	printf("%s: %zu files, %llu random inputs of seed %llu%s\n", target, nfiles, (unsigned long long)n,
	       (unsigned long long)seed, bad ? ", some files unreadable" : ": ok");
	for (size_t i = 0; i < nfiles; i++)
		free(files[i].data);
	free(files);
	return bad;
}
