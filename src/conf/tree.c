/* conf/tree.c - reading files into a tree, and printing it (tree.h) */
#include "conf/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/lex.h"

void tree_init(struct tree *t, struct arena *arena, struct report *report)
{
	*t = (struct tree){.arena = arena, .report = report};
	t->pragma_end = &t->pragma;
}

struct node **node_end(struct node **first)
{
	while (*first)
		first = &(*first)->next;
	return first;
}

const char *node_text(const struct node *n)
{
	return n->values && !n->values->next ? n->values->text : NULL;
}

/* A reading of files: the site file and those that it includes, or --config-file and those. */
struct reading {
	struct tree *tree;
	const struct conf_source *src;
	struct node *deferred; /* contents of our `program' blocks */
	unsigned files;
	struct open_file {
		dev_t dev;
		ino_t ino;
	} open[NESTING_MOST]; /* the files being read, outermost first */
	unsigned depth;
};

/* Fills *text with the file's octets, to be freed. ENOENT and the like are in errno; a file of another kind is EINVAL. */
static bool slurp(const char *name, struct slice *text, struct open_file *id)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	char *p = NULL;
	ssize_t n = 0;
	size_t have = 0;

	if (fd < 0)
		return false;
	errno = 0;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		errno = errno ? errno : EINVAL;
	else if (st.st_size > FILE_OCTETS_MOST)
		errno = EFBIG;
	else
		p = malloc(FILE_OCTETS_MOST);
	while (p && have < FILE_OCTETS_MOST && (n = read(fd, p + have, FILE_OCTETS_MOST - have)) > 0)
		have += (size_t)n;
	int saved = errno;

	close(fd);
	errno = saved;
	if (!p || n < 0) {
		free(p);
		return false;
	}
	*text = (struct slice){p, have};
	*id = (struct open_file){st.st_dev, st.st_ino};
	return true;
}

static const char *reason(int error)
{
	switch (error) {
	case EINVAL:
		return "not a regular file";
	case EILSEQ:
		return "a NUL octet is in it";
	case ELOOP:
		return "it includes itself, or too many files are included";
	default:
		return strerror(error);
	}
}

static bool is_being_read(const struct reading *r, const struct open_file *id)
{
	for (unsigned i = 0; i < r->depth; i++)
		if (r->open[i].dev == id->dev && r->open[i].ino == id->ino)
			return true;
	return false;
}

static struct node *expand(struct reading *r, struct node *list, bool top, bool outermost);

/* The statements of one file with those that it includes. `top` is the site file: what stands in it alone may say
 * `program' and include directories. False, and nothing is told, when it cannot be opened: see errno. */
static bool read_file(struct reading *r, const char *name, bool top, struct node **out)
{
	struct slice text;
	struct open_file id;
	struct node *list = NULL;
	const char *kept = arena_str(r->tree->arena, slice_str(name));

	if (!kept) {
		r->tree->no_memory = true;
		return true;
	}
	if (r->src->verbose > 0)
		report_note(r->tree->report, NULL, "opening configuration file %s", name);
	if (!slurp(name, &text, &id))
		return false;
	if (is_being_read(r, &id) || r->depth == NESTING_MOST || ++r->files > FILES_MOST) {
		errno = ELOOP;
	} else if (memchr(text.p, '\0', text.n)) {
		errno = EILSEQ;
	} else {
		if (r->src->verbose > 0)
			report_note(r->tree->report, NULL, "parsing file `%s'", name);
		r->open[r->depth++] = id;
		tree_parse(r->tree, &list, kept, text);
		*out = expand(r, list, top, true);
		r->depth--;
		if (r->src->verbose > 0)
			report_note(r->tree->report, NULL, "finished parsing file `%s'", name);
		errno = 0;
	}
	int saved = errno;

	explicit_bzero((char *)text.p, text.n); /* passwords may be in it */
	free((char *)text.p);
	errno = saved;
	return errno == 0;
}

static const char *path_join(struct tree *t, const char *dir, const char *name)
{
	size_t n = strlen(dir) + strlen(name) + 2;
	char *path = arena_zero(t->arena, n);

	if (!path)
		t->no_memory = true;
	else
		snprintf(path, n, "%s/%s", dir, name);
	return path;
}

/* A directory stands for the file in it that has the program's name, where there is one. */
static struct node *include_directory(struct reading *r, const struct node *n, const char *dir, bool top)
{
	struct node *list = NULL;

	if (!top) {
		report_warning(r->tree->report, &n->at,
			       "ignoring `include': directory argument is allowed only from the top-level "
			       "configuration file");
		return NULL;
	}
	const char *path = path_join(r->tree, dir, r->src->program);

	if (path && !read_file(r, path, false, &list) && errno != ENOENT)
		report_error(r->tree->report, &n->at, "%s: %s", path, reason(errno));
	return list;
}

static struct node *include(struct reading *r, const struct node *n, bool top)
{
	struct report *report = r->tree->report;
	const char *name = node_text(n);
	struct node *list = NULL;
	struct stat st;

	if (!name) {
		report_error(report, &n->at, "argument to `include' is not a string; expected a file or a directory");
		return NULL;
	}
	if (name[0] != '/')
		name = path_join(r->tree, r->src->include_dir ? r->src->include_dir : "/etc", name);
	if (!name)
		return NULL;
	if (stat(name, &st) < 0)
		report_error(report, &n->at, "include file or directory does not exist; expected %s: %s", name,
			     strerror(errno));
	else if (S_ISDIR(st.st_mode))
		list = include_directory(r, n, name, top);
	else if (!read_file(r, name, false, &list))
		report_error(report, &n->at, "cannot include %s: %s", name, reason(errno));
	return list;
}

/* The contents of a block for this program are kept for the end; those for others are forgotten unread. */
static void program(struct reading *r, struct node *n, bool top)
{
	struct report *report = r->tree->report;
	const char *name = node_text(n);

	if (!top)
		report_warning(report, &n->at, "ignoring `program' block: not located in top-level configuration file");
	else if (!name)
		report_error(report, &n->at, "argument to `program' is not a string; expected the name of a program");
	else if (strcmp(name, r->src->program) == 0)
		*node_end(&r->deferred) = expand(r, n->child, top, false);
}

/* The list with its includes replaced by what they include. `outermost`: not within a block. */
static struct node *expand(struct reading *r, struct node *list, bool top, bool outermost)
{
	struct node *first = NULL, **end = &first, *next;

	for (struct node *n = list; n && !r->tree->no_memory; n = next) {
		next = n->next;
		n->next = NULL;
		if (outermost && n->block && strcmp(n->keyword, "program") == 0) {
			program(r, n, top);
			continue;
		}
		if (!n->block && strcmp(n->keyword, "include") == 0) {
			*end = include(r, n, top);
		} else {
			n->child = expand(r, n->child, top, false);
			*end = n;
		}
		end = node_end(end);
	}
	return first;
}

/* Whether the file is there: mailutils.conf may still be called mailutils.rc, as it once was. */
static const char *site_file(struct tree *t, const char *name)
{
	struct slice stem = slice_str(name);
	bool there = access(name, F_OK) == 0;

	if (stem.n < 14 || strcmp(name + stem.n - 14, "mailutils.conf") != 0)
		return there ? name : NULL;
	stem.n -= 4;
	char *old = arena_zero(t->arena, stem.n + 4);

	if (!old)
		return there ? name : NULL;
	snprintf(old, stem.n + 4, "%.*src", (int)stem.n, name);
	if (access(old, F_OK) < 0)
		return there ? name : NULL;
	if (there)
		report_warning(t->report, NULL, "legacy configuration file %s is ignored", old);
	else
		report_warning(t->report, NULL, "using legacy configuration file %s; please rename it to %s", old,
			       name);
	return there ? name : old;
}

void tree_read(struct tree *t, const struct conf_source *src)
{
	struct reading r = {.tree = t, .src = src};
	const char *name = src->config_file;

	if (!name && src->site_file)
		name = site_file(t, src->site_file);
	if (!name)
		return;
	if (!read_file(&r, name, !src->config_file, &t->first))
		report_error(t->report, NULL, "errors parsing file %s: %s", name, reason(errno));
	else if (t->syntax_error)
		report_error(t->report, NULL, "errors parsing file %s: Operation failed", name);
	*node_end(&t->first) = r.deferred;
}

static void put_text(FILE *f, const char *text)
{
	static const char escape[] = "\a\b\f\n\r\t\v\\\"", letter[] = "abfnrtv\\\"";

	if (lex_is_word(slice_str(text))) {
		fputs(text, f);
		return;
	}
	fputc('"', f);
	for (; *text; text++) {
		const char *e = strchr(escape, *text);

		if (e)
			fputc('\\', f);
		fputc(e ? letter[e - escape] : *text, f);
	}
	fputc('"', f);
}

static void put_value(FILE *f, const struct value *v)
{
	if (v->text) {
		put_text(f, v->text);
		return;
	}
	fputc('(', f);
	for (const struct value *i = v->item; i; i = i->next) {
		put_value(f, i);
		if (i->next)
			fputs(", ", f);
	}
	fputc(')', f);
}

static void dump(FILE *f, const struct node *n, int level)
{
	for (; n; n = n->next) {
		if (n->at.file)
			fprintf(f, "# %u \"%s\"\n", n->at.from.line, n->at.file);
		fprintf(f, "%*s%s", level * 2, "", n->keyword);
		for (const struct value *v = n->values; v && !n->secret; v = v->next) {
			fputc(' ', f);
			put_value(f, v);
		}
		if (n->secret)
			fputs(" ***", f);
		if (n->block) {
			fputs(" {\n", f);
			dump(f, n->child, level + 1);
			fprintf(f, "%*s}", level * 2, "");
		}
		fputs(";\n", f);
	}
}

void tree_dump(FILE *f, const struct node *first)
{
	dump(f, first, 0);
}
