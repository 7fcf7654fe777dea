"""JUnit XML as tools write it: the shape of each is theirs, the tests in it are made up."""

PYTEST = """<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" errors="1"
failures="1" skipped="2" tests="5" time="0.046" timestamp="2026-03-01T12:00:00" hostname="case">
<testcase classname="tests.test_cart" name="test_total" time="0.001" />
<testcase classname="tests.test_cart.TestVat" name="test_rate[19]" time="0.002"><failure
message="assert 19 == 7&#10;  +19">def test_rate():
&gt;       assert 19 == 7
E       assert 19 == 7

tests/test_cart.py:12: AssertionError</failure></testcase>
<testcase classname="tests.test_cart" name="test_database" time="0.5"><error
message="failed on setup with &quot;ConnectionError&quot;">E   ConnectionError</error></testcase>
<testcase classname="tests.test_cart" name="test_slow" time="0.000"><skipped type="pytest.skip"
message="too slow">tests/test_cart.py:20: too slow</skipped></testcase>
<testcase classname="tests.test_cart" name="test_known" time="0.000"><skipped type="pytest.xfail"
message="ticket 7" /></testcase>
</testsuite></testsuites>"""

SUREFIRE = """<?xml version="1.0" encoding="UTF-8"?>
<testsuite xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xsi:noNamespaceSchemaLocation="https://maven.apache.org/surefire/maven-surefire-plugin/xsd/surefire-test-report.xsd"
  version="3.0.2" name="org.example.CartTest" time="1,234.567" tests="4" errors="0" skipped="1" failures="1">
  <properties><property name="java.version" value="21"/></properties>
  <testcase name="flaky" classname="org.example.CartTest" time="0.012">
    <flakyFailure message="first" type="java.lang.AssertionError"><stackTrace><![CDATA[at CartTest:1]]></stackTrace>
      <system-out><![CDATA[noise]]></system-out></flakyFailure>
    <flakyError message="second"
  type="java.io.IOException"><stackTrace><![CDATA[at CartTest:2]]></stackTrace></flakyError>
  </testcase>
  <testcase name="never" classname="org.example.CartTest" time="1,234.5">
    <failure message="boom" type="java.lang.AssertionError"><![CDATA[java.lang.AssertionError: boom
\tat CartTest:3]]></failure>
    <rerunFailure message="boom again"
  type="java.lang.AssertionError"><stackTrace>at CartTest:3</stackTrace></rerunFailure>
    <system-err>noise</system-err>
  </testcase>
  <testcase name="off" classname="org.example.CartTest" time="0"><skipped message="@Disabled"/></testcase>
  <testcase name="fine" classname="org.example.CartTest" time="0,25"/>
</testsuite>"""

GO = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="3" failures="1" skipped="1">
	<testsuite name="example.com/shop/cart" tests="3" failures="1" errors="0" id="0" hostname="case" time="0.160">
		<properties><property name="go.version" value="go1.24"></property></properties>
		<testcase name="TestTotal" classname="example.com/shop/cart" time="0.060"></testcase>
		<testcase name="TestVat/seven" classname="example.com/shop/cart" time="0.100">
			<failure message="Failed" type=""><![CDATA[    cart_test.go:11: got 19, want 7]]></failure>
		</testcase>
		<testcase name="TestSlow" classname="example.com/shop/cart" time="0.000">
			<skipped message="Skipped"><![CDATA[    cart_test.go:15: short mode]]></skipped>
		</testcase>
		<system-out><![CDATA[noise]]></system-out>
	</testsuite>
</testsuites>"""

JEST = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="jest tests" tests="2" failures="1" errors="0" time="1.5">
  <testsuite name="cart" errors="0" failures="1" skipped="0" timestamp="2026-03-01T12:00:00" time="1.2" tests="2">
    <testcase classname="cart adds up" name="cart adds up" time="0.005"></testcase>
    <testcase classname="cart knows vat" name="cart knows vat" time="0.9">
      <failure>Error: expect(received).toBe(expected)
    at Object.&lt;anonymous&gt; (/app/cart.test.js:12:20)</failure>
    </testcase>
  </testsuite>
</testsuites>"""

MOCHA_JUNIT_REPORTER = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="Mocha Tests" time="0.0060" tests="2" failures="1">
  <testsuite name="Root Suite" timestamp="2026-03-01T12:00:00" tests="0" file="/app/test/cart.js" time="0" failures="0">
  </testsuite>
  <testsuite name="Cart" timestamp="2026-03-01T12:00:00" tests="2" file="/app/test/cart.js" time="0.006" failures="1">
    <testcase name="Cart adds up" time="0.0010" classname="adds up"></testcase>
    <testcase name="Cart knows vat" time="0.0050" classname="knows vat">
      <failure message="expected 19 to equal 7" type="AssertionError"><![CDATA[AssertionError: expected 19 to equal 7
    at Context.<anonymous> (test/cart.js:9:12)]]></failure>
    </testcase>
  </testsuite>
</testsuites>"""

MOCHA_XUNIT = """<testsuite name="Mocha Tests" tests="3" failures="0" errors="1" skipped="1" time="0.008">
<testcase classname="Cart" name="adds up" file="/app/test/cart.js" time="0.001"/>
<testcase classname="Cart" name="knows vat" file="/app/test/cart.js" time="0"><failure>expected 19 to equal 7
AssertionError: expected 19 to equal 7</failure></testcase>
<testcase classname="Cart" name="is slow" file="/app/test/cart.js" time="0"><skipped/></testcase>
</testsuite>"""

PHPUNIT = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="/app/phpunit.xml" tests="3" assertions="3" errors="0" failures="1" skipped="1" time="0.01">
    <testsuite name="unit" tests="3" assertions="3" errors="0" failures="1" skipped="1" time="0.01">
      <testsuite name="Tests\\CartTest" file="/app/tests/CartTest.php" tests="3" assertions="3" failures="1"
  time="0.01">
        <testcase name="testTotal" file="/app/tests/CartTest.php" line="12" class="Tests\\CartTest"
          classname="Tests.CartTest" assertions="1" time="0.005"/>
        <testsuite name="Tests\\CartTest::testVat" tests="1" assertions="1" failures="1" time="0.004">
          <testcase name="testVat with data set &quot;seven&quot;" file="/app/tests/CartTest.php" line="20"
            class="Tests\\CartTest" classname="Tests.CartTest" assertions="1" time="0.004">
            <failure
  type="PHPUnit\\Framework\\ExpectationFailedException">Tests\\CartTest::testVat with data set "seven"
Failed asserting that 19 matches expected 7.</failure>
          </testcase>
        </testsuite>
        <testcase name="testSlow" file="/app/tests/CartTest.php" line="30" class="Tests\\CartTest"
          classname="Tests.CartTest" assertions="0" time="0.001"><skipped/></testcase>
      </testsuite>
    </testsuite>
  </testsuite>
</testsuites>"""

K6 = """<?xml version="1.0"?>
<testsuites tests="2" failures="1">
<testsuite name="k6 thresholds" tests="2" failures="1"><testcase name="checks - rate&gt;0.9" />
<testcase name="http_req_duration - p(95)&lt;500"><failure message="failed" /></testcase>
</testsuite >
</testsuites >"""

ROBOT = """<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="Shop" tests="3" errors="0" failures="1" skipped="1" time="0.021"
  timestamp="2026-03-01T12:00:00.000000">
<testsuite name="Cart" tests="3" errors="0" failures="1" skipped="1" time="0.021">
<testcase classname="Shop.Cart" name="Adds Up" time="0.001"></testcase>
<testcase classname="Shop.Cart" name="Knows Vat" time="0.002"><failure message="19 != 7"
  type="AssertionError"></failure></testcase>
<testcase classname="Shop.Cart" name="Is Slow" time="0.000"><skipped message="Test skipped with --skip."
  type="SkipExecution"></skipped></testcase>
</testsuite>
</testsuite>"""

CHAINSAW = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="chainsaw-report" tests="2" failures="1" time="5.1">
	<testsuite name="./tests" package="./tests" tests="2" failures="1" time="5.1">
		<testcase name="quick-start" classname="" time="2.5"></testcase>
		<testcase name="deploys" classname="" time="2.6">
			<failure message="step-1 failed" type="">Internal Failure</failure>
		</testcase>
	</testsuite>
</testsuites>"""

GOOGLETEST = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="3" failures="1" disabled="1" errors="0" timestamp="2026-03-01T12:00:00.000" time="0.035"
  name="AllTests">
  <testsuite name="Cart" tests="3" failures="1" disabled="1" skipped="0" errors="0" time="0.015">
    <testcase name="Total" file="cart_test.cc" line="9" status="run" result="completed" time="0.007" classname="Cart" />
    <testcase name="Vat" file="cart_test.cc" line="19" status="run" result="completed" time="0.005" classname="Cart">
      <failure message="Value of: 19&#x0A;Expected: 7" type=""><![CDATA[Value of: 19
Expected: 7]]></failure>
    </testcase>
    <testcase name="DISABLED_Slow" file="cart_test.cc" line="29" status="notrun" result="suppressed" time="0."
      classname="Cart" />
  </testsuite>
</testsuites>"""

DIALECTS = {
    "pytest": (
        PYTEST,
        {
            "tests.test_cart.test_total": "passed",
            "tests.test_cart.TestVat.test_rate[19]": "failed",
            "tests.test_cart.test_database": "failed",
            "tests.test_cart.test_slow": "skipped",
            "tests.test_cart.test_known": "skipped",
        },
    ),
    "Surefire": (
        SUREFIRE,
        {
            "org.example.CartTest.flaky": "passed",
            "org.example.CartTest.never": "failed",
            "org.example.CartTest.off": "skipped",
            "org.example.CartTest.fine": "passed",
        },
    ),
    "go-junit-report": (
        GO,
        {
            "example.com/shop/cart.TestTotal": "passed",
            "example.com/shop/cart.TestVat/seven": "failed",
            "example.com/shop/cart.TestSlow": "skipped",
        },
    ),
    "jest-junit": (JEST, {"cart adds up": "passed", "cart knows vat": "failed"}),
    "mocha-junit-reporter": (MOCHA_JUNIT_REPORTER, {"Cart adds up": "passed", "Cart knows vat": "failed"}),
    "mocha's xunit": (MOCHA_XUNIT, {"Cart.adds up": "passed", "Cart.knows vat": "failed", "Cart.is slow": "skipped"}),
    "PHPUnit": (
        PHPUNIT,
        {
            "Tests.CartTest.testTotal": "passed",
            'Tests.CartTest.testVat with data set "seven"': "failed",
            "Tests.CartTest.testSlow": "skipped",
        },
    ),
    "k6": (K6, {"checks - rate>0.9": "passed", "http_req_duration - p(95)<500": "failed"}),
    "Robot Framework": (
        ROBOT,
        {
            "Shop.Cart.Adds Up": "passed",
            "Shop.Cart.Knows Vat": "failed",
            "Shop.Cart.Is Slow": "skipped",
        },
    ),
    "chainsaw": (CHAINSAW, {"quick-start": "passed", "deploys": "failed"}),
    "GoogleTest": (GOOGLETEST, {"Cart.Total": "passed", "Cart.Vat": "failed", "Cart.DISABLED_Slow": "skipped"}),
}
"""What each tool writes, and what became of the tests in it."""
