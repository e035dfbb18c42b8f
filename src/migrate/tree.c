#include "migrate/tree.h"

#include "config/faults.h"
#include "config/file.h"
#include "migrate/words.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_CHUNK = 64 << 10, TREE_BYTES_MAX = 256 << 20 };

struct reader {
    struct tree *tree;
    struct complaint *complaint;
    const char *folder; /* of the first file, with its '/'; NULL: includes are not followed */
    size_t files;
    size_t depth;
};

/* Where the next directive goes. */
struct list {
    struct directive **end;
};

static bool read_file(struct reader *reader, const char *path, const struct directive *by,
                      struct list *list);
static bool read_directives(struct reader *reader, struct words *words, bool is_file,
                            struct list *list);

bool directive_is(const struct directive *directive, const char *name, size_t words)
{
    return strcmp(directive->word[0], name) == 0 && (words == 0 || directive->words == words);
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static bool no_memory(struct reader *reader, const char *file, size_t line)
{
    return complain(reader->complaint, file, line, "there is not enough memory for all of it");
}

/* ---- includes ---- */

/* A name behind a folder; "" or one with its '/'. */
static char *path_of(struct reader *reader, const char *folder, const char *name)
{
    size_t folder_len = strlen(folder), len = strlen(name);
    char *path = arena_take(&reader->tree->arena, folder_len + len + 1);
    if (path != NULL) {
        /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): the next one brings the NUL */
        memcpy(path, folder, folder_len);
        memcpy(path + folder_len, name, len + 1);
    }
    return path;
}

static bool read_matches(struct reader *reader, const char *pattern, const struct directive *by,
                         struct list *list)
{
    glob_t found;
    int status = glob(pattern, 0, NULL, &found);
    if (status == GLOB_NOMATCH)
        return true;
    if (status != 0)
        return no_memory(reader, by->file, by->line);
    bool is_read = true;
    for (size_t i = 0; is_read && i < found.gl_pathc; i++) {
        char *path = path_of(reader, "", found.gl_pathv[i]);
        is_read = path != NULL ? read_file(reader, path, by, list)
                               : no_memory(reader, by->file, by->line);
    }
    globfree(&found);
    return is_read;
}

static bool include(struct reader *reader, const struct directive *by, struct list *list)
{
    const char *name = by->word[1];
    char *path = path_of(reader, name[0] == '/' ? "" : reader->folder, name);
    if (path == NULL)
        return no_memory(reader, by->file, by->line);
    return strpbrk(path, "*?[") == NULL ? read_file(reader, path, by, list)
                                        : read_matches(reader, path, by, list);
}

/* ---- directives ---- */

/* Collects the words of a directive up to ';' or '{'. Returns which, or WORD_BAD. */
static enum word_kind read_words(struct reader *reader, struct words *words, const char *first,
                                 struct directive *directive)
{
    const char *word[TREE_WORDS_MAX] = {first};
    enum word_kind kind;
    directive->words = 1;
    while ((kind = words_next(words, &word[directive->words])) == WORD_TEXT)
        if (++directive->words == TREE_WORDS_MAX)
            return complain(reader->complaint, directive->file, directive->line,
                            "\"%s\" has more than %d words; a semicolon may be missing", first,
                            TREE_WORDS_MAX - 1),
                   WORD_BAD;
    if (kind == WORD_CLOSE || kind == WORD_END)
        return complain(reader->complaint, words->file, words->line,
                        "\"%s\" of line %zu has no end; write a semicolon behind it", first,
                        directive->line),
               WORD_BAD;
    size_t size = directive->words * sizeof *directive->word;
    directive->word = arena_take(&reader->tree->arena, size);
    if (directive->word == NULL)
        return no_memory(reader, directive->file, directive->line), WORD_BAD;
    memcpy(directive->word, word, size);
    return kind;
}

static bool read_block(struct reader *reader, struct words *words, struct directive *directive)
{
    struct list list = {&directive->block};
    directive->has_block = true;
    return ends_with(directive->word[0], "_by_lua_block")
               ? words_skip_lua(words)
               : read_directives(reader, words, false, &list);
}

static bool read_directive(struct reader *reader, struct words *words, const char *name,
                           struct list *list)
{
    struct directive *directive = arena_take(&reader->tree->arena, sizeof *directive);
    if (directive == NULL)
        return no_memory(reader, words->file, words->line);
    *directive = (struct directive){.file = words->file, .line = words->line};
    enum word_kind kind = read_words(reader, words, name, directive);
    if (kind == WORD_BAD)
        return false;
    if (reader->folder != NULL && kind == WORD_SEMICOLON && directive_is(directive, "include", 2))
        return include(reader, directive, list);
    *list->end = directive;
    list->end = &directive->next;
    return kind == WORD_SEMICOLON || read_block(reader, words, directive);
}

/* Reads up to the '}' of a block, or to the end of a file. */
static bool read_on(struct reader *reader, struct words *words, bool is_file, struct list *list)
{
    const char *text = "";
    for (;;) {
        enum word_kind kind = words_next(words, &text);
        if (kind == (is_file ? WORD_END : WORD_CLOSE))
            return true;
        if (kind == WORD_BAD || (kind == WORD_TEXT && !read_directive(reader, words, text, list)))
            return false;
        if (kind == WORD_END)
            return complain(reader->complaint, words->file, words->line,
                            "the file ends within a block; a \"}\" is missing");
        if (kind != WORD_TEXT)
            return complain(reader->complaint, words->file, words->line,
                            "unexpected \"%c\"; nothing stands before it", words->at[-1]);
    }
}

static bool read_directives(struct reader *reader, struct words *words, bool is_file,
                            struct list *list)
{
    if (reader->depth == TREE_DEPTH_MAX)
        return complain(
            reader->complaint, words->file, words->line,
            "more than %d blocks and files within each other; does a file include itself?",
            TREE_DEPTH_MAX);
    reader->depth++;
    bool is_read = read_on(reader, words, is_file, list);
    reader->depth--;
    return is_read;
}

static bool read_bytes(struct reader *reader, const char *name, const char *bytes, size_t len,
                       struct list *list)
{
    struct words words = {
        .at = bytes,
        .end = bytes + len,
        .file = name,
        .line = 1,
        .arena = &reader->tree->arena,
        .complaint = reader->complaint,
    };
    if (memchr(bytes, '\0', len) != NULL)
        return complain(reader->complaint, name, 0, "has a byte of 0, so it is no text");
    return read_directives(reader, &words, true, list);
}

static bool cannot_read(struct reader *reader, const char *path, const struct directive *by,
                        const char *why)
{
    static const char where[] = "; paths begin in the folder of the file that is given";
    if (by == NULL)
        return complain(reader->complaint, path, 0, "%s", why);
    return complain(reader->complaint, by->file, by->line, "include: %s %s%s", path, why,
                    access(path, F_OK) == 0 ? "" : where);
}

/* by: what includes it; NULL: it is the first file. */
static bool read_file(struct reader *reader, const char *path, const struct directive *by,
                      struct list *list)
{
    struct faults faults = {0};
    size_t len;
    if (reader->files++ == TREE_FILES_MAX)
        return complain(reader->complaint, path, 0, "is one file more than the %d that are read",
                        TREE_FILES_MAX);
    char *bytes = config_file_read(path, TREE_FILE_BYTES_MAX, &len, &faults);
    const char *why = faults.kept > 0 ? faults.fault[0].text : "cannot be read";
    bool is_read = bytes != NULL ? read_bytes(reader, path, bytes, len, list)
                                 : cannot_read(reader, path, by, why);
    free(bytes);
    faults_release(&faults);
    return is_read;
}

static void init(struct tree *tree)
{
    arena_init(&tree->arena, FIRST_CHUNK, TREE_BYTES_MAX);
    tree->first = NULL;
}

static char *folder_of(struct tree *tree, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash + 1 - path);
    char *folder = arena_take(&tree->arena, len + 1);
    if (folder != NULL) {
        memcpy(folder, path, len);
        folder[len] = '\0';
    }
    return folder;
}

bool tree_read(struct tree *tree, const char *path, struct complaint *complaint)
{
    struct list list = {&tree->first};
    init(tree);
    struct reader reader = {.tree = tree, .complaint = complaint, .folder = folder_of(tree, path)};
    return reader.folder != NULL ? read_file(&reader, path, NULL, &list)
                                 : no_memory(&reader, path, 0);
}

bool tree_parse(struct tree *tree, const char *name, const char *bytes, size_t len,
                struct complaint *complaint)
{
    struct list list = {&tree->first};
    init(tree);
    struct reader reader = {.tree = tree, .complaint = complaint};
    return read_bytes(&reader, name, bytes, len, &list);
}

void tree_release(struct tree *tree)
{
    arena_release(&tree->arena);
}
