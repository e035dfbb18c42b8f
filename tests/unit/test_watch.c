/*
 * Watch: that files which were read, and sockets, are found gone, changed and back, each once, at
 * the times that it asks for; and what a reload makes of that. Time is the test's.
 */
#include "base/clock.h"
#include "base/quantity.h"
#include "daemon/watch.h"
#include "support/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOK_NS (5000 * NS_PER_MS)

struct place {
    char directory[64], config[96], token[96], socket[96], other[96];
    struct config parsed;
    struct listener listener;
    struct watch watch;
    uint64_t now_ns;
};

static void write_file(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    close(file);
}

static void begin(struct place *place)
{
    static const struct socket_access access = SOCKET_ACCESS_DEFAULT;
    const char *doing;
    char text[ADDRESS_TEXT_MAX];
    struct address address;
    memset(place, 0, sizeof *place);
    strcpy(place->directory, "/tmp/allowd-watch-XXXXXX");
    assert_non_null(mkdtemp(place->directory));
    snprintf(place->config, sizeof place->config, "%s/config", place->directory);
    snprintf(place->token, sizeof place->token, "%s/token", place->directory);
    snprintf(place->socket, sizeof place->socket, "%s/socket", place->directory);
    snprintf(place->other, sizeof place->other, "%s/other", place->directory);
    write_file(place->config, "one");
    write_file(place->token, "one");
    snprintf(text, sizeof text, "unix:%s", place->socket);
    assert_true(address_parse(text, &address));
    assert_int_equal(listener_open(&place->listener, &address, &access, &doing), 0);
    strcpy(place->parsed.admin_token_file, place->token);
    place->parsed.admin_token_mark = file_mark_at(place->token);
    place->parsed.file_mark = file_mark_at(place->config);
    place->now_ns = NS_PER_S;
    watch_begin(&place->watch, &place->listener, 1, place->config, &place->parsed);
    watch_look(&place->watch, place->now_ns);
}

static void end(struct place *place)
{
    listener_close(&place->listener);
    unlink(place->config), unlink(place->token), unlink(place->other), unlink(place->socket);
    assert_int_equal(rmdir(place->directory), 0);
}

/* Looks, at the moment that it is due. */
static bool look(struct place *place)
{
    place->now_ns += LOOK_NS;
    assert_int_equal(watch_timeout_ms(&place->watch, place->now_ns - NS_PER_MS), 1);
    assert_int_equal(watch_timeout_ms(&place->watch, place->now_ns), 0);
    return watch_look(&place->watch, place->now_ns);
}

static void expect(struct place *place, bool is_news, unsigned lost_sockets, unsigned changed_files)
{
    assert_int_equal(look(place), is_news);
    assert_int_equal(place->watch.seen.lost_sockets, lost_sockets);
    assert_int_equal(surroundings_changed_files(&place->watch.seen), changed_files);
}

static void while_all_is_there_nothing_is_told(void **state)
{
    (void)state;
    struct place place;
    begin(&place);
    for (int i = 0; i < 3; i++)
        expect(&place, false, 0, 0);
    chmod(place.config, 0640); /* its bytes are the same */
    expect(&place, false, 0, 0);
    end(&place);
}

static void without_files_it_never_looks(void **state)
{
    (void)state;
    struct watch watch;
    struct config config = {0};
    watch_begin(&watch, NULL, 0, NULL, &config);
    assert_int_equal(watch_timeout_ms(&watch, 0), -1);
    assert_false(watch_look(&watch, 0));
    assert_int_equal(watch_timeout_ms(&watch, UINT64_MAX / 2), -1);
}

static void what_goes_is_told_once_and_again_once_it_is_back(void **state)
{
    (void)state;
    struct place place;
    begin(&place);
    assert_int_equal(rename(place.token, place.other), 0);
    expect(&place, true, 0, 1);
    expect(&place, false, 0, 1);
    assert_int_equal(rename(place.other, place.token), 0);
    expect(&place, true, 0, 0);
    assert_int_equal(rename(place.socket, place.other), 0);
    expect(&place, true, 1, 0);
    expect(&place, false, 1, 0);
    assert_int_equal(rename(place.other, place.socket), 0);
    expect(&place, true, 0, 0);
    unlink(place.config), unlink(place.token), unlink(place.socket);
    expect(&place, true, 1, 2);
    end(&place);
}

static void another_file_in_its_place_has_changed(void **state)
{
    (void)state;
    struct place place;
    begin(&place);
    write_file(place.other, "one"); /* the same bytes: but nobody has read these */
    assert_int_equal(rename(place.other, place.config), 0);
    expect(&place, true, 0, 1);
    unlink(place.config);
    expect(&place, true, 0, 1);
    write_file(place.config, "another");
    expect(&place, true, 0, 1);
    place.parsed.file_mark = file_mark_at(place.config);
    watch_read(&place.watch, &place.parsed);
    expect(&place, true, 0, 0);
    end(&place);
}

static void one_that_was_refused_is_known(void **state)
{
    (void)state;
    struct place place;
    begin(&place);
    write_file(place.config, "faulty");
    expect(&place, true, 0, 1);
    watch_refused(&place.watch);
    expect(&place, true, 0, 0);
    unlink(place.config);
    watch_refused(&place.watch); /* its fault says so */
    expect(&place, true, 0, 1);
    write_file(place.config, "there again, and read by nobody");
    expect(&place, true, 0, 1);
    end(&place);
}

static int connect_to(const struct place *place)
{
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int done = connect(client, (const struct sockaddr *)&place->listener.address.socket,
                       place->listener.address.socket_len);
    close(client);
    return done;
}

static void a_lost_socket_is_made_anew_on_its_descriptor(void **state)
{
    (void)state;
    static const struct socket_access access = {.mode = 0620, .group = SOCKET_GROUP_OWN};
    struct place place;
    struct stat file;
    begin(&place);
    int before = place.listener.socket;
    unlink(place.socket);
    assert_int_equal(watch_mend(&place.watch, &access), 0); /* nobody has seen it */
    expect(&place, true, 1, 0);
    assert_int_equal(connect_to(&place), -1);
    assert_int_equal(watch_mend(&place.watch, &access), 1);
    assert_int_equal(place.listener.socket, before);
    assert_int_equal(connect_to(&place), 0);
    assert_int_equal(lstat(place.socket, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0620);
    assert_int_equal(fcntl(before, F_GETFD), FD_CLOEXEC);
    assert_true((fcntl(before, F_GETFL) & O_NONBLOCK) != 0);
    expect(&place, true, 0, 0);
    assert_int_equal(watch_mend(&place.watch, &access), 0);
    end(&place);
}

static void an_inherited_one_and_what_is_no_socket_stay(void **state)
{
    (void)state;
    static const struct socket_access access = SOCKET_ACCESS_DEFAULT;
    struct place place;
    struct stat file;
    begin(&place);
    unlink(place.socket);
    expect(&place, true, 1, 0);
    place.listener.is_inherited = true;
    assert_int_equal(watch_mend(&place.watch, &access), 0);
    place.listener.is_inherited = false;
    write_file(place.socket, "mine");
    assert_int_equal(watch_mend(&place.watch, &access), 0);
    assert_int_equal(lstat(place.socket, &file), 0);
    assert_true(S_ISREG(file.st_mode));
    expect(&place, false, 1, 0);
    end(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(while_all_is_there_nothing_is_told),
        cmocka_unit_test(without_files_it_never_looks),
        cmocka_unit_test(what_goes_is_told_once_and_again_once_it_is_back),
        cmocka_unit_test(another_file_in_its_place_has_changed),
        cmocka_unit_test(one_that_was_refused_is_known),
        cmocka_unit_test(a_lost_socket_is_made_anew_on_its_descriptor),
        cmocka_unit_test(an_inherited_one_and_what_is_no_socket_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
