// What a calibration measures, and how.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/load/direct_read.h"
#include "bench/load/machine.h"
#include "bench/load/spread.h"
#include "tools/profile/device_profile.h"

namespace qload::bench {

struct CalibrationOptions {
  std::filesystem::path directory = ".";  ///< On the storage to measure.
  std::string name;                       ///< Of the profile; empty: the host's.
  uint64_t file_bytes = 512ull << 20;     ///< Of the scratch file; less when the disk is short.
  uint64_t throttle_rate = 0;             ///< Bytes per second; 0: as storage is.
  uint32_t threads = 0;                   ///< 0: one for each processor.
  bool quick = false;                     ///< A few seconds, for a first look.
};

/// A rate in bytes per second, measured a few times.
using Rate = Spread;

struct StorageSweepPoint {
  ReadShape shape;
  double rate = 0;
};
struct StorageCalibration {
  std::string method;  ///< "uring, direct".
  bool direct = false;
  uint64_t file_bytes = 0;
  std::vector<StorageSweepPoint> sweep;
  ReadShape shape;         ///< The best of the sweep.
  Rate sequential;         ///< In that shape.
  Rate buffered_cold;      ///< read() by one thread of a file that is not cached.
  Spread latency_seconds;  ///< Of single reads of 4 KiB at random places.
  Rate cached;             ///< pread() of the cached file by all threads.
  std::string throttle;    ///< What limited reads; empty: nothing.
};

/// One way to store one kind of weights, decoded by so many threads.
struct DecodeCalibration {
  std::string data;       ///< "int8-5.0"
  std::string contender;  ///< "lane-avx2"
  bool used = false;      ///< What a load on this machine would use.
  uint32_t threads = 1;
  double ratio = 0;
  Rate rate;  ///< Of all threads, by their processor time.
  /// What the other parts of the profile make of it for one thread; 0 for more.
  double modelled_rate = 0;
};

struct MemoryCalibration {
  Rate touch_small;  ///< First touch, all threads, 4 KiB pages (or the system's size).
  Rate touch_huge;   ///< In transparent huge pages; zero where the system has none.
  Rate copy;         ///< memcpy, all threads, bytes copied.
  Rate checksum;     ///< One thread.
};

struct Calibration {
  Machine machine;
  StorageCalibration storage;
  std::vector<DecodeCalibration> decode;
  MemoryCalibration memory;
  Spread overhead_seconds;
  tools::DeviceProfile profile;  ///< Made of all these.
  double seconds = 0;            ///< That it took.
};

}  // namespace qload::bench
