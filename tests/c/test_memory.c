/* Sizes, counters, the hook that makes the n-th allocation fail, and arenas. */
#include "base/memory.h"
#include "check.h"

static bool all_zero(const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static void sizes_that_do_not_fit_are_refused(void)
{
    size_t size = 5;
    CHECK(!gng_size_multiply(SIZE_MAX / 2 + 1, 2, &size) && size == 5);
    CHECK(!gng_size_add(SIZE_MAX, 1, &size) && size == 5);
    CHECK(gng_size_multiply(SIZE_MAX, 1, &size) && size == SIZE_MAX);
    CHECK(gng_size_multiply(0, SIZE_MAX, &size) && size == 0);
    CHECK(gng_size_add(SIZE_MAX - 1, 1, &size) && size == SIZE_MAX);
}

static void blocks_are_zeroed_aligned_and_counted(void)
{
    const uint64_t count = gng_memory_allocation_count(), live = gng_memory_live_count();
    for (size_t bytes = 0; bytes < 200; bytes += 33) {
        unsigned char *block = gng_memory_allocate(bytes);
        if (!CHECK(block != NULL))
            return;
        CHECK((uintptr_t)block % GNG_ALIGNMENT == 0);
        CHECK(all_zero(block, bytes));
        CHECK(gng_memory_live_count() == live + 1);
        memset(block, 0xFF, bytes); /* what the next block may be made of */
        gng_memory_release(block);
    }
    CHECK(gng_memory_allocation_count() == count + 7);
    gng_memory_release(NULL);
    CHECK(gng_memory_live_count() == live);
}

static void impossible_blocks_are_refused(void)
{
    const uint64_t count = gng_memory_allocation_count();
    CHECK(gng_memory_allocate(SIZE_MAX) == NULL);
    CHECK(gng_memory_allocate((size_t)PTRDIFF_MAX + 1) == NULL);
    CHECK(gng_memory_allocate((size_t)1 << 61) == NULL); /* which only the system refuses */
    CHECK(gng_memory_allocate_array(SIZE_MAX / 4, 8) == NULL);
    CHECK(gng_memory_allocation_count() == count);
}

static void the_nth_allocation_fails_once(void)
{
    const gng_arena_layout layout = {.bytes = 64};
    gng_arena arena = {0};
    for (uint64_t n = 1; n <= 3; n++) {
        gng_memory_fail_nth(n);
        void *first = gng_memory_allocate(8);
        void *second = gng_memory_allocate_array(2, 8);
        const gng_status third = gng_arena_create(&layout, &arena);
        CHECK((first == NULL) == (n == 1));
        CHECK((second == NULL) == (n == 2));
        CHECK_STATUS(third, n == 3 ? GNG_STATUS_MEMORY : GNG_OK);
        CHECK((arena.base == NULL) == (n == 3));
        gng_memory_release(first);
        gng_memory_release(second);
        gng_arena_destroy(&arena);
    }
    gng_memory_fail_nth(1);
    gng_memory_fail_nth(0);
    void *block = gng_memory_allocate(8);
    CHECK(block != NULL);
    gng_memory_release(block);
}

static void room_is_asked_for_and_not_kept(void)
{
    const uint64_t count = gng_memory_allocation_count();
    CHECK(gng_memory_has_room(1 << 20));
    CHECK(!gng_memory_has_room((size_t)1 << 61));
    gng_memory_fail_nth(1);
    CHECK(!gng_memory_has_room(1));
    CHECK(gng_memory_has_room(1));
    CHECK(gng_memory_allocation_count() == count);
}

static void layouts_are_aligned_and_remember_an_overflow(void)
{
    gng_arena_layout layout = {0};
    CHECK(gng_arena_layout_add(&layout, 3, 4) == 0);
    CHECK(gng_arena_layout_add(&layout, 0, 4) == 64);
    CHECK(gng_arena_layout_add(&layout, 65, 1) == 64);
    CHECK(gng_arena_layout_add(&layout, 1, 1) == 192);
    CHECK(layout.bytes == 256 && !layout.overflow);
    gng_arena_layout overflowed[3] = {{0}, {0}, {.bytes = SIZE_MAX - 127}};
    (void)gng_arena_layout_add(&overflowed[0], SIZE_MAX / 2, 3);
    (void)gng_arena_layout_add(&overflowed[1], SIZE_MAX, 1);
    (void)gng_arena_layout_add(&overflowed[2], 65, 1);
    for (int i = 0; i < 3; i++) {
        gng_arena arena = {.bytes = 7};
        CHECK(overflowed[i].overflow);
        CHECK_STATUS(gng_arena_create(&overflowed[i], &arena), GNG_STATUS_TOO_LARGE);
        CHECK(arena.bytes == 7 && arena.base == NULL);
    }
}

static void arenas_are_zeroed_and_aligned(void)
{
    const size_t sizes[] = {0, 1, 4096, (2 << 20) - 1, 2 << 20, (4 << 20) + 64};
    const uint64_t live = gng_memory_live_count();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        gng_arena_layout layout = {0};
        const size_t offset = gng_arena_layout_add(&layout, sizes[i], 1);
        gng_arena arena = {0};
        CHECK_STATUS(gng_arena_create(&layout, &arena), GNG_OK);
        if (arena.base == NULL)
            return;
        CHECK((uintptr_t)arena.base % (2 << 20) == 0);
        CHECK(arena.bytes == layout.bytes);
        unsigned char *block = gng_arena_at(&arena, offset);
        CHECK(all_zero(block, sizes[i]));
        memset(block, 0xFF, sizes[i]);
        CHECK(gng_memory_live_count() == live + 1);
        gng_arena_destroy(&arena);
        CHECK(arena.base == NULL && gng_memory_live_count() == live);
        gng_arena_destroy(&arena);
        CHECK(gng_memory_live_count() == live);
    }
}

static void an_arena_beyond_the_machine_is_refused(void)
{
    const gng_arena_layout layout = {.bytes = (size_t)1 << 61};
    gng_arena arena = {0};
    CHECK_STATUS(gng_arena_create(&layout, &arena), GNG_STATUS_MEMORY);
    CHECK(arena.base == NULL && arena.mapping == NULL);
}

int main(void)
{
    sizes_that_do_not_fit_are_refused();
    blocks_are_zeroed_aligned_and_counted();
    impossible_blocks_are_refused();
    the_nth_allocation_fails_once();
    room_is_asked_for_and_not_kept();
    layouts_are_aligned_and_remember_an_overflow();
    arenas_are_zeroed_and_aligned();
    an_arena_beyond_the_machine_is_refused();
    CHECK(gng_memory_live_count() == 0);
    return check_result();
}
