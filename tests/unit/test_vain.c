/* Vain passes: when a front-end waits although libmicrohttpd wants the next pass at once. */
#include "http/wire/vain.h"
#include "support/unit.h"

static void pass(struct vain *vain, bool is_ready, bool calls)
{
    vain_begin_pass(vain, is_ready);
    vain->has_called |= calls;
    vain_end_pass(vain);
}

static void make_vain(struct vain *vain)
{
    *vain = (struct vain){.in_chunks = 1};
    for (int i = 0; i <= VAIN_PASSES_MAX; i++) {
        assert_false(vain_waits(vain));
        pass(vain, false, false);
    }
    assert_true(vain_waits(vain));
}

static void it_waits_after_many_passes_without_a_call(void **state)
{
    (void)state;
    struct vain vain;
    make_vain(&vain);
    pass(&vain, false, false);
    assert_true(vain_waits(&vain));
}

static void a_call_ends_the_waiting(void **state)
{
    (void)state;
    struct vain vain;
    make_vain(&vain);
    pass(&vain, false, true);
    assert_false(vain_waits(&vain));
}

static void a_ready_socket_ends_it_before_the_pass(void **state)
{
    (void)state;
    struct vain vain;
    make_vain(&vain);
    vain_begin_pass(&vain, true);
    assert_false(vain_waits(&vain));
    vain_end_pass(&vain);
    assert_false(vain_waits(&vain));
}

/* Whatever else makes libmicrohttpd want passes is served at once. */
static void without_bodies_in_chunks_it_never_waits(void **state)
{
    (void)state;
    struct vain vain = {0};
    for (int i = 0; i < 10 * VAIN_PASSES_MAX; i++) {
        pass(&vain, false, false);
        assert_false(vain_waits(&vain));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_waits_after_many_passes_without_a_call),
        cmocka_unit_test(a_call_ends_the_waiting),
        cmocka_unit_test(a_ready_socket_ends_it_before_the_pass),
        cmocka_unit_test(without_bodies_in_chunks_it_never_waits),
    };
    return cmocka_run_group_tests_name("vain", tests, NULL, NULL);
}
