// The complete board top under Verilator, its serial pins on a pseudo-terminal.
//
// Arguments: clock cycles of a bit, clock cycles to go on after the last sign of life. The path of
// the terminal is printed first. Time of the board passes while bits are on the line, while the board
// says that it is busy, and for the second number of cycles afterwards; then the process sleeps until
// the host writes, so that an idle board costs nothing. It ends when its standard input does.

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <cstdint>

#include "Vboard.h"
#include "verilated.h"

namespace {

// The lights "link" and "busy".
constexpr int kBusy = 0b0110;

// Bits from the host's bytes to the pin.
class Sender {
 public:
  explicit Sender(int divisor) : divisor_(divisor) {}
  bool busy() const { return left_ != 0; }
  void load(uint8_t byte) {
    bits_ = byte << 1 | 1 << 9;
    left_ = 10;
    timer_ = divisor_;
  }
  // The level of the pin in this cycle.
  int step() {
    if (!left_) return 1;
    const int level = bits_ & 1;
    if (!--timer_) {
      bits_ >>= 1;
      --left_;
      timer_ = divisor_;
    }
    return level;
  }

 private:
  const int divisor_;
  unsigned bits_ = 0;
  int left_ = 0, timer_ = 0;
};

// Bytes from the bits on the pin, sampled in the middle of each.
class Receiver {
 public:
  explicit Receiver(int divisor) : divisor_(divisor) {}
  bool busy() const { return running_; }
  // True when a byte is there.
  bool step(int level, uint8_t* byte) {
    if (!running_) {
      if (!level) {
        running_ = true;
        count_ = 0;
        timer_ = divisor_ / 2;
      }
      return false;
    }
    if (--timer_) return false;
    timer_ = divisor_;
    if (count_ == 9) {
      running_ = false;
      *byte = bits_ >> 1;
      return level;
    }
    bits_ = (bits_ >> 1) | (level << 8);
    ++count_;
    return false;
  }

 private:
  const int divisor_;
  unsigned bits_ = 0;
  int count_ = 0, timer_ = 0;
  bool running_ = false;
};

int open_terminal() {
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0 || grantpt(terminal) || unlockpt(terminal)) {
    perror("pseudo-terminal");
    exit(1);
  }
  // Kept open, so that the terminal lives on while no host is there; raw, so that it passes bytes.
  const int other = open(ptsname(terminal), O_RDWR | O_NOCTTY);
  termios settings;
  tcgetattr(other, &settings);
  cfmakeraw(&settings);
  tcsetattr(other, TCSANOW, &settings);
  fcntl(terminal, F_SETFL, O_NONBLOCK);
  printf("%s\n", ptsname(terminal));
  fflush(stdout);
  return terminal;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int divisor = atoi(argv[1]);
  const long linger = atol(argv[2]);
  const int terminal = open_terminal();
  VerilatedContext context;
  Vboard board(&context);
  Sender sender(divisor);
  Receiver receiver(divisor);
  long quiet = 0;
  unsigned polls = 0, cycles = 0;
  uint8_t input[256];
  ssize_t have = 0, next = 0;
  board.rst = 0;
  board.rx = 1;
  for (;;) {
    if (!sender.busy()) {
      if (next == have) {
        next = 0;
        if (!(++polls & 63)) have = read(terminal, input, sizeof input);
        else have = 0;
        if (have < 0) have = 0;
      }
      if (next < have) {
        sender.load(input[next++]);
        quiet = 0;
      }
    }
    if (!(++cycles & 0xffff) || quiet > linger) {
      pollfd wait[2] = {{0, POLLIN, 0}, {terminal, POLLIN, 0}};
      poll(wait, 2, quiet > linger ? -1 : 0);
      if (wait[0].revents) {
        char end;
        if (read(0, &end, 1) <= 0) return 0;
      }
      if (quiet > linger) quiet = 0;
    }
    board.rx = sender.step();
    board.clk = 1;
    board.eval();
    uint8_t byte;
    if (receiver.step(board.tx, &byte)) {
      // The terminal may be full for a moment while the host is slow.
      while (write(terminal, &byte, 1) != 1) {
        pollfd wait[2] = {{0, POLLIN, 0}, {terminal, POLLOUT, 0}};
        poll(wait, 2, 100);
        char end;
        if (wait[0].revents && read(0, &end, 1) <= 0) return 0;
      }
      quiet = 0;
    }
    board.clk = 0;
    board.eval();
    // A command under way may time out, and a program may be long.
    if (board.leds & kBusy)
      quiet = 1;
    else
      ++quiet;
  }
}
