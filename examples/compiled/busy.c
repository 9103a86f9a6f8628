/* All harts compute for a while; what --stats says of it is how fast the simulation is:
 * rel4 cc busy.c -o busy.elf && rel4 run busy.elf --stats */
#include <stdint.h>
#include <uintr.h>

#define NUMBERS 256
#define ROUNDS 8

static volatile uint64_t done;

/* Sorts numbers by insertion, again and again: loads, stores, branches, a multiplication here and there. */
static uint64_t work(uint64_t seed)
{
    uint64_t numbers[NUMBERS], sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < NUMBERS; i++)
            numbers[i] = (seed = seed * 6364136223846793005u + 1442695040888963407u) >> 33;
        for (int i = 1; i < NUMBERS; i++) {
            uint64_t number = numbers[i];
            int place = i;
            for (; place > 0 && numbers[place - 1] > number; place--)
                numbers[place] = numbers[place - 1];
            numbers[place] = number;
        }
        sum += numbers[0];
    }
    return sum;
}

void hart_main(uint64_t hart)
{
    work(hart);
    __atomic_add_fetch(&done, 1, __ATOMIC_RELEASE);
}

int main(void)
{
    hart_main(0);
    while (done < *uintr_register(UINTR_CONTROL_HARTS_OFFSET))
        ;
    return 0;
}
