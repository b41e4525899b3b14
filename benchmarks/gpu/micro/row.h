// Code shared by the three programs. A row of results is one JSON object on a line. Each row is flushed at once, so
// that no row is lost if the process is killed.
#pragma once
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <type_traits>
#include <vector>

inline volatile sig_atomic_t rows_measured = 0;  // number of rows with a time

class Row {
 public:
  explicit Row(const std::string& test) { with("test", test); }
  Row(const Row&) = delete;
  ~Row() {
    text_ += "}\n";
    fwrite(text_.data(), 1, text_.size(), stdout);
    fflush(stdout);
  }
  template <class T> Row& with(const char* name, const T& value) {
    text_ += (text_.empty() ? "{\"" : ", \"") + std::string(name) + "\": ";
    if constexpr (std::is_floating_point_v<T>) number(static_cast<double>(value));
    else if constexpr (std::is_same_v<T, bool>) text_ += value ? "true" : "false";
    else if constexpr (std::is_integral_v<T>) text_ += std::to_string(value);
    else quote(value);
    return *this;
  }
  // Adds the time of one call and its rates. `bytes` and `flops` are the amounts of one call. If `bytes` or `flops` is
  // 0, the corresponding rate is omitted.
  Row& time(double us, double least_us, double bytes, double flops) {
    rows_measured = rows_measured + 1;
    with("us", us).with("min_us", least_us);
    if (bytes > 0) with("TB_per_s", bytes / us * 1e-6);
    if (flops > 0) with("TFLOP_per_s", flops / us * 1e-6);
    return *this;
  }

 private:
  void number(double value) {
    char digits[32];
    snprintf(digits, sizeof digits, "%.6g", value);
    text_ += std::isfinite(value) ? digits : "null";
  }
  void quote(const std::string& value) {
    text_ += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\') text_ += '\\';
      text_ += static_cast<unsigned char>(c) < 32 ? ' ' : c;
    }
    text_ += '"';
  }
  std::string text_;
};

inline double seconds() {
  static const auto start = std::chrono::steady_clock::now();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? NAN : values[values.size() / 2];
}
inline double least(const std::vector<double>& values) {
  return values.empty() ? NAN : *std::min_element(values.begin(), values.end());
}

// Ends the process after `limit` seconds, even if a kernel never returns. Otherwise a hang would use up the time on the
// GPU machine.
inline void end_after(unsigned limit) {
  seconds();
  signal(SIGALRM, [](int) {
    static const char line[] = "{\"test\": \"end\", \"error\": \"stopped by its alarm\"}\n";
    [[maybe_unused]] const ssize_t written = write(STDOUT_FILENO, line, sizeof line - 1);
    _exit(rows_measured ? 0 : 1);
  });
  alarm(limit);
}

inline int finish() {
  Row("end").with("measured", static_cast<int>(rows_measured)).with("seconds", seconds());
  return rows_measured ? 0 : 1;
}
